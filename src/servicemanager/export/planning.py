"""Count, look and decide: makes the plan that a dry run prints and a run executes. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from servicemanager.archive.journal import Journal, JournaledWindow
from servicemanager.archive.marker import Claim
from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.parquet import Name, day_folder, parse_key
from servicemanager.config.hours import Hours
from servicemanager.errors import ConfigurationError
from servicemanager.export.detaching import Candidates, plan_detaching
from servicemanager.export.plan import (
    Action,
    Bounds,
    Cut,
    ExportPlan,
    Held,
    Hold,
    Pace,
    PlannedPartition,
    PlannedWindow,
    Purge,
    cut,
    limit,
)
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Bucket, Facts
from servicemanager.iotdb.window import Calendar, Window

_QUARTER = timedelta(minutes=15)
_FINER = (timedelta(minutes=1), timedelta(seconds=1))
_SKEW = timedelta(minutes=1)
_DAY = timedelta(days=1)
_DAYS_LISTED = 3


@dataclass(frozen=True)
class Wishes:
    """What settings and command line ask for."""

    zone: ZoneInfo
    days: int
    purge: bool
    #: A local date: only what arrived before its midnight; never later than today's.
    before: date | None = None
    no_purge: bool = False
    max_rows: int | None = None
    max_rows_per_second: int | None = None
    #: When a run may work; None at any time.
    hours: Hours | None = None


@dataclass(frozen=True)
class Sources:
    """What a plan is made from."""

    database: Database
    facts: Facts
    journal: Journal
    store: ObjectStore


@dataclass(frozen=True)
class Due:
    """What the database says by itself, before the archive is looked at."""

    now: datetime
    cutoff: datetime
    buckets: list[Bucket]


def count_due(database: Database, facts: Facts, wishes: Wishes) -> Due:
    """Raises ConfigurationError for a `before` in the future."""
    with database.reading() as connection:
        now = database.now(connection)
    cutoff = _cutoff(facts.calendar(wishes.zone), now, wishes)
    return Due(now, cutoff, facts.counts(None, cutoff, _QUARTER))


def make_plan(sources: Sources, claim: Claim, wishes: Wishes, due: Due) -> ExportPlan:
    facts, now = sources.facts, due.now
    purge = decide_purge(facts, claim, wishes)
    bounds = Bounds(facts.shape.indexed, due.cutoff, purge=purge is Purge.YES)
    journaled = sources.journal.windows()
    result = _cut(facts, journaled, facts.calendar(wishes.zone), bounds, due.buckets)
    known, unknown = _without_unknown(sources.store, result.windows)
    windows, beyond = limit(known, wishes.max_rows)
    held = (*result.held, *unknown, *beyond, *_strays(facts, now))
    notices = list(_notices(facts, now))
    partitions: tuple[PlannedPartition, ...] = ()
    if purge is Purge.YES:
        left = [each.window for each in held if each.window] + [each.window for each in known[len(windows) :]]
        partitions, hindered = plan_detaching(
            sources.database, facts, Candidates(bounds.cutoff, windows, journaled, left)
        )
        notices += hindered
    pace = _pace(wishes, now)
    return ExportPlan(bounds.cutoff, tuple(windows), purge, held, tuple(notices), pace, partitions)


def _pace(wishes: Wishes, now: datetime) -> Pace:
    if wishes.hours is None:
        return Pace(wishes.max_rows_per_second)
    closes_at = wishes.hours.closing_after(now, wishes.zone)
    opens_at = None if closes_at else wishes.hours.opening_after(now, wishes.zone)
    return Pace(wishes.max_rows_per_second, str(wishes.hours), closes_at, opens_at)


def decide_purge(facts: Facts, claim: Claim, wishes: Wishes) -> Purge:
    if not wishes.purge:
        return Purge.SWITCHED_OFF
    if wishes.no_purge:
        return Purge.ASKED_NOT_TO
    if claim is Claim.OVERWRITABLE:
        return Purge.STORE_OVERWRITES
    return Purge.EXTRA_COLUMNS if facts.shape.extra else Purge.YES


def _cutoff(calendar: Calendar, now: datetime, wishes: Wishes) -> datetime:
    if wishes.before is None:
        return calendar.cutoff(now, wishes.days)
    today = calendar.day_of(now)
    if wishes.before > today:
        raise ConfigurationError(f"--before {wishes.before} lies in the future: the latest possible date is {today}.")
    return calendar.start_of(wishes.before)


def _cut(
    facts: Facts, journaled: list[JournaledWindow], calendar: Calendar, bounds: Bounds, buckets: list[Bucket]
) -> Cut:
    for step in _FINER:
        result = cut(buckets, journaled, calendar, bounds)
        if not result.finer:
            return result
        buckets = _refine(facts, buckets, set(result.finer), bounds.cutoff, step)
    return cut(buckets, journaled, calendar, bounds, final=True)


def _refine(
    facts: Facts, buckets: list[Bucket], coarse: set[Window], cutoff: datetime, step: timedelta
) -> list[Bucket]:
    finer: list[Bucket] = []
    for bucket in buckets:
        if bucket.window in coarse:
            span = Window(bucket.window.start_at, min(bucket.window.end_at, cutoff))
            finer += facts.counts(span, cutoff, step)
        else:
            finer.append(bucket)
    return finer


def _without_unknown(store: ObjectStore, windows: list[PlannedWindow]) -> tuple[list[PlannedWindow], list[Held]]:
    """Hold back new windows for whose time there are objects already: only a lost journal explains those."""
    new = [planned for planned in windows if planned.action is Action.ARCHIVE]
    # A changed zone may have filed them under a neighbouring day.
    days = {planned.creation_date + shift * _DAY for planned in new for shift in (-1, 0, 1)}
    found = [name.window for name in _named(store, days)]
    unknown = [planned for planned in new if any(planned.window.overlaps(window) for window in found)]
    held = [Held(f"day {each.creation_date}", each.rows, Hold.UNKNOWN_OBJECTS, each.window) for each in unknown]
    return [planned for planned in windows if planned not in unknown], held


def _named(store: ObjectStore, days: Iterable[date]) -> Iterator[Name]:
    """The objects of these days; many days of one month are asked for at once, since each listing is a request."""
    months: dict[str, list[date]] = {}
    for day in sorted(days):
        months.setdefault(day_folder(day)[: -len("01/")], []).append(day)
    for prefix, of_month in months.items():
        prefixes = [prefix] if len(of_month) > _DAYS_LISTED else list(map(day_folder, of_month))
        for stat in (stat for each in prefixes for stat in store.list(each)):
            name = parse_key(stat.key)
            if name and name.creation_date in of_month:
                yield name


def _strays(facts: Facts, now: datetime) -> list[Held]:
    dateless, future = facts.count_dateless(), facts.count_from(now + _DAY)
    held = [Held("rows without a date", dateless, Hold.DATELESS)] if dateless else []
    return held + ([Held("rows from the future", future, Hold.FUTURE)] if future else [])


def _notices(facts: Facts, now: datetime) -> list[str]:
    notices = []
    skew = abs(datetime.now(UTC) - now)
    if skew > _SKEW:
        notices.append(
            f"This machine's clock and the database's differ by {skew.total_seconds():.0f} seconds: "
            "the database's decides what is due."
        )
    if facts.shape.extra:
        notices.append(f"Facts has columns that the archive does not hold: {', '.join(facts.shape.extra)}.")
    if not facts.shape.indexed:
        notices.append(
            "Facts has no index on creationDate, so each day is a scan of the whole table. To add one: "
            "CREATE INDEX facts_creation ON Facts (creationDate)"
        )
    return notices
