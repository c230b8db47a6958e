"""What was put into the simulated readings, told in plain words and in numbers to compare with.

The numbers are counted on the readings themselves, by marks that no column of Facts carries, so a program
that counts rows in a database or an archive is compared with something that it has not read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np

from servicemanager.demo.fleet import Absence, Death, Fleet, Moment, PowerCut
from servicemanager.demo.readings import ZONE, Day, simulate
from servicemanager.demo.sampling import LATE_SECONDS, Frame


class Kind(StrEnum):
    READINGS = "readings"
    DUPLICATES = "duplicates"
    LATE = "late"
    SPIKES = "spikes"
    POWER_CUT = "power cut"
    DEATH = "death"
    ABSENCE = "absence"


@dataclass(frozen=True, slots=True)
class Episode:
    """One thing that happened to the fleet, as a sentence and as values.

    ``subject`` is a shop or a device, or empty for the whole fleet. ``count`` is a number of readings, except
    for a power cut, where it is the number of boards. ``since`` and ``until`` are local; None where unknown.
    """

    kind: Kind
    sentence: str
    count: int
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows by what was done to them; copies count wherever their originals do."""

    rows: int
    duplicates: int
    spikes: int
    late: int
    late_by_board: tuple[int, ...]


def count(fleet: Fleet, days: Iterable[Day]) -> Counts:
    rows = duplicates = spikes = 0
    late = np.zeros(len(fleet.boards), dtype=np.int64)
    for day in days:
        rows += len(day.readings)
        duplicates += day.duplicates
        spikes += int(day.readings["spike"].sum())
        was_stored = day.readings["arrival"] - day.readings["event"] >= LATE_SECONDS
        late += np.bincount(day.readings["board"][was_stored], minlength=len(late))
    return Counts(rows, duplicates, spikes, int(late.sum()), tuple(late.tolist()))


def story(fleet: Fleet, now: datetime, days: int = 12, zone: ZoneInfo = ZONE) -> tuple[Episode, ...]:
    """Tell what happened in the readings of the same arguments: first numbers, then troubles by time.

    Simulates once more (about a quarter of a second for a million readings). Troubles that began before the
    first day are left out.
    """
    counts = count(fleet, simulate(fleet, now, days, zone))
    frame = Frame.at(now, zone)
    troubles = [
        *(_power_cut(fleet, frame, cut) for cut in fleet.power_cuts if cut.since.days_ago <= days),
        *(_death(fleet, frame, death) for death in fleet.deaths if death.at.days_ago <= days),
        *(
            _absence(fleet, frame, absence, counts.late_by_board[absence.board])
            for absence in fleet.absences
            if absence.since.days_ago <= days
        ),
    ]
    return (*_numbers(counts), *sorted(troubles, key=_begin))


def _numbers(counts: Counts) -> tuple[Episode, ...]:
    return (
        Episode(Kind.READINGS, f"{counts.rows:,} readings reached the gateway.", counts.rows),
        Episode(
            Kind.DUPLICATES,
            f"{counts.duplicates:,} of them arrived twice, alike in every column.",
            counts.duplicates,
        ),
        Episode(
            Kind.LATE,
            f"{counts.late:,} were stored on boards without network and arrived late, with old event times.",
            counts.late,
        ),
        Episode(Kind.SPIKES, f"{counts.spikes:,} are noise: values that no sensor can mean.", counts.spikes),
    )


def _power_cut(fleet: Fleet, frame: Frame, cut: PowerCut) -> Episode:
    shop = fleet.shops[cut.shop].name
    boards = sum(board.shop == cut.shop for board in fleet.boards)
    since, until = _local(frame, cut.since), _local(frame, cut.until)
    sentence = f"{shop} had no power from {since:%Y-%m-%d %H:%M} to {until:%H:%M}: {boards} boards read nothing."
    return Episode(Kind.POWER_CUT, sentence, boards, shop, since, until)


def _death(fleet: Fleet, frame: Frame, death: Death) -> Episode:
    device, shop = fleet.boards[death.board].device, fleet.shop_of(death.board).name
    at = _local(frame, death.at)
    sentence = f"{device} in {shop} died on {at:%Y-%m-%d at %H:%M} and has been silent since."
    return Episode(Kind.DEATH, sentence, 0, device, at)


def _absence(fleet: Fleet, frame: Frame, absence: Absence, stored: int) -> Episode:
    device, shop = fleet.boards[absence.board].device, fleet.shop_of(absence.board).name
    since, back = _local(frame, absence.since), _local(frame, absence.back)
    sentence = (
        f"{device} in {shop} was offline from {since:%Y-%m-%d %H:%M} to {back:%Y-%m-%d %H:%M} "
        f"and then sent {stored:,} stored readings."
    )
    return Episode(Kind.ABSENCE, sentence, stored, device, since, back)


def _local(frame: Frame, moment: Moment) -> datetime:
    return datetime.fromtimestamp(frame.instant(moment), UTC).astimezone(frame.zone)


def _begin(episode: Episode) -> datetime:
    return episode.since or datetime.max.replace(tzinfo=UTC)
