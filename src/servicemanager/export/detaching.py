"""Which partitions of Facts leave it whole: a part of the plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from servicemanager.archive.journal import JournaledWindow
from servicemanager.export.plan import Action, PlannedPartition, PlannedWindow
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.partitioning import hindrances
from servicemanager.iotdb.partitions import Partition, read_layout, span_of
from servicemanager.iotdb.twins import unproven
from servicemanager.iotdb.window import Window


@dataclass(frozen=True)
class Candidates:
    """What the rest of the plan has found."""

    cutoff: datetime
    windows: Sequence[PlannedWindow]
    journaled: Sequence[JournaledWindow]
    #: Stretches of rows that stay for now.
    left: Sequence[Window]


def plan_detaching(
    database: Database, facts: Facts, found: Candidates
) -> tuple[tuple[PlannedPartition, ...], list[str]]:
    """Those that can go, and sentences about what keeps others."""
    with database.reading() as connection:
        waiting = unproven(connection)
    notices = [f"{name} holds rows that were detached before: the run begins with them." for name in waiting]
    spans = [(each, span_of(facts, each)) for each in read_layout(database).days]
    due = [(each, span) for each, span in spans if span.end_at <= found.cutoff]
    known = [entry.window for entry in found.journaled] + [planned.window for planned in found.windows]
    torn = [each for each, span in due if any(_tears(span, window) for window in known)]
    if torn:
        notices.append(
            f"The partitions {torn[0].name} to {torn[-1].name} were cut at other midnights than the archive's windows, "
            "as after a changed time zone: their rows are deleted one by one."
        )
    whole = tuple(_whole([(each, span) for each, span in due if each not in torn], found))
    hindered = list(hindrances(database)) if whole else []
    if hindered:
        return (), [*notices, *(f"Rows are deleted one by one, and not by partition. {why}" for why in hindered)]
    return whole, notices


def _whole(due: Sequence[tuple[Partition, Window]], found: Candidates) -> Iterator[PlannedPartition]:
    for partition, span in due:
        inside = [planned for planned in found.windows if span.covers(planned.window)]
        stays = any(span.overlaps(window) for window in found.left) or any(map(_lacks_rows, inside))
        if inside and not stays:
            yield PlannedPartition(partition.name, span, sum(planned.rows for planned in inside))


def _tears(span: Window, window: Window) -> bool:
    return span.overlaps(window) and not span.covers(window)


def _lacks_rows(planned: PlannedWindow) -> bool:
    """Rows that only the archive holds are looked for one by one."""
    entry = planned.journaled
    return planned.action is Action.RECONCILE and entry is not None and planned.rows < entry.due_rows
