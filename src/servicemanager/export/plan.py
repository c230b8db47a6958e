"""What an export would do: windows to archive and to purge, what is held back, and why. Pure.

`cut` turns counted buckets into that plan. A journaled window is never cut anew; new windows fill only
the gaps between journaled ones, never cross a local day, and hold a bounded number of rows. Where a
bucket is too coarse to decide, `cut` names the spans that must be counted in smaller buckets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from servicemanager.archive.journal import JournaledWindow
from servicemanager.iotdb.facts import Bucket
from servicemanager.iotdb.window import SECOND, Calendar, Window

#: Rows of one window: so many are held in memory at once.
WINDOW_ROWS = 250_000
#: Rows of one window where they can't be parted, because they arrived within one second ...
SECOND_ROWS = 2_000_000
#: ... or because without an index on creationDate a window is a whole local day.
DAY_ROWS = 500_000


#: A sorted, compressed reading of a usual fleet; only for the plan's estimate.
_BYTES_PER_ROW = 6


class Action(StrEnum):
    """What happens to a window, and so why it is in the plan."""

    ARCHIVE = "archive"  # it is new
    RESUME = "resume"  # an earlier run journaled it and did not come to its end
    RECONCILE = "reconcile"  # database and archive hold different numbers of rows
    PURGE = "purge"  # the archive holds it, and the database still does


class Purge(StrEnum):
    """Whether rows are deleted, or why not; the values are sentences for people."""

    YES = "rows are deleted once the archive is proven to hold them"
    SWITCHED_OFF = "nothing is deleted: export.purge is off"
    ASKED_NOT_TO = "nothing is deleted: --no-purge was given"
    STORE_OVERWRITES = "nothing is deleted: the archive's store ignores If-None-Match, so objects could be overwritten"
    EXTRA_COLUMNS = "nothing is deleted: Facts has columns that the archive does not hold"


class Hold(StrEnum):
    """Why rows stay where they are; the values are sentences for people."""

    DAY_TOO_BIG = (
        "without an index on Facts.creationDate a day is archived in one piece, and this one is too big for that: "
        "add the index with CREATE INDEX facts_creation ON Facts (creationDate)"
    )
    SECOND_TOO_BIG = "too many rows arrived within one second to be held in memory at once"
    UNKNOWN_OBJECTS = (
        "the archive holds objects of this time that the journal does not know, as after a restored backup: "
        "run servicemanager db adopt"
    )
    MAX_ROWS = "--max-rows was reached: the next run goes on here"
    DATELESS = "creationDate is NULL or no date, so no window holds these rows: correct them by hand"
    FUTURE = "creationDate lies more than a day in the future: check the clocks of the gateways"


@dataclass(frozen=True)
class PlannedWindow:
    """One step of the plan."""

    window: Window
    creation_date: date
    rows: int
    action: Action
    #: None for a window that is not journaled yet.
    journaled: JournaledWindow | None = None

    @property
    def bytes_expected(self) -> int:
        """Of the object, roughly; 0 where its rows are archived already."""
        return 0 if self.action is Action.PURGE else self.rows * _BYTES_PER_ROW


@dataclass(frozen=True)
class Held:
    """Rows that stay where they are."""

    what: str
    rows: int
    reason: Hold
    #: Where they lie, as far as that is one stretch of time.
    window: Window | None = None


@dataclass(frozen=True)
class PlannedPartition:
    """A partition whose rows leave Facts together, once all windows of the plan within `span` are archived."""

    name: str
    span: Window
    rows: int


@dataclass(frozen=True)
class Pace:
    """How fast a run may work, and when."""

    rows_per_second: int | None = None
    #: As the settings give them; None where any hour will do.
    hours: str | None = None
    #: When the hours end that the plan was made in ...
    closes_at: datetime | None = None
    #: ... or, where it was made outside of them, when they begin: until then nothing is done.
    opens_at: datetime | None = None


@dataclass(frozen=True)
class ExportPlan:
    """The value that --dry-run prints and the run executes."""

    cutoff: datetime
    windows: tuple[PlannedWindow, ...]
    purge: Purge
    held: tuple[Held, ...] = ()
    notices: tuple[str, ...] = ()
    pace: Pace = Pace()
    partitions: tuple[PlannedPartition, ...] = ()

    @property
    def rows(self) -> int:
        return sum(planned.rows for planned in self.windows)

    def partition_of(self, window: Window) -> PlannedPartition | None:
        """The one that takes the rows of `window` along; None where they are deleted one by one, or not at all."""
        return next((each for each in self.partitions if each.span.covers(window)), None)

    def to_document(self) -> dict[str, object]:
        """For --json."""
        return {
            "cutoff": self.cutoff,
            "purge": {"decision": self.purge.name.lower(), "reason": self.purge.value},
            "rows": self.rows,
            "max_rows_per_second": self.pace.rows_per_second,
            "hours": self.pace.hours,
            "hours_close_at": self.pace.closes_at,
            "hours_open_at": self.pace.opens_at,
            "windows": [_describe(planned) for planned in self.windows],
            "partitions": [
                {"name": p.name, "start_at": p.span.start_at, "end_at": p.span.end_at, "rows": p.rows}
                for p in self.partitions
            ],
            "held": [{"what": h.what, "rows": h.rows, "reason": h.reason.value} for h in self.held],
            "notices": list(self.notices),
        }


def _describe(planned: PlannedWindow) -> dict[str, object]:
    return {
        "creation_date": planned.creation_date,
        "start_at": planned.window.start_at,
        "end_at": planned.window.end_at,
        "rows": planned.rows,
        "bytes_expected": planned.bytes_expected,
        "action": planned.action.value,
    }


@dataclass(frozen=True)
class Bounds:
    """What limits the windows of one table."""

    indexed: bool
    cutoff: datetime
    #: Whether what is archived is to be deleted.
    purge: bool = True
    window_rows: int = WINDOW_ROWS
    second_rows: int = SECOND_ROWS
    day_rows: int = DAY_ROWS


@dataclass
class Cut:
    """The windows found, what is held back, and the spans that must be counted more finely first."""

    windows: list[PlannedWindow] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    finer: list[Window] = field(default_factory=list)


def cut(
    buckets: Sequence[Bucket],
    journaled: Sequence[JournaledWindow],
    calendar: Calendar,
    bounds: Bounds,
    *,
    final: bool = False,
) -> Cut:
    """Buckets and all journaled windows are each in order of time. `final`: there are no finer buckets to ask for.

    A journaled window that ends after the cutoff (the zone was changed) waits, whole, until it is due.
    """
    result = Cut()
    found = dict.fromkeys((entry.id for entry in journaled), 0)
    gaps: dict[Window, list[Bucket]] = {}
    for bucket in buckets:
        entry = _at(journaled, bucket.window.start_at)
        home = entry.window if entry else _gap(bucket, journaled, calendar, bounds.cutoff)
        if not final and not home.covers(bucket.window):
            result.finer.append(bucket.window)
        elif entry:
            found[entry.id] += bucket.rows
        else:
            gaps.setdefault(home, []).append(bucket)
    due = [entry for entry in journaled if entry.window.end_at <= bounds.cutoff]
    result.windows += _known(due, found, purge=bounds.purge)
    for gap, content in gaps.items():
        _fill(result, gap, content, calendar.day_of(gap.start_at), bounds)
    result.windows.sort(key=lambda planned: planned.window)
    return result


def limit(windows: Iterable[PlannedWindow], max_rows: int | None) -> tuple[list[PlannedWindow], list[Held]]:
    """As many of the oldest windows as `max_rows` allows, at least one, and what that holds back."""
    taken: list[PlannedWindow] = []
    rest = 0
    for planned in windows:
        if (max_rows is not None and taken and sum(w.rows for w in taken) + planned.rows > max_rows) or rest:
            rest += planned.rows
        else:
            taken.append(planned)
    held = [Held(f"windows after {taken[-1].window.end_at:%Y-%m-%d %H:%M} UTC", rest, Hold.MAX_ROWS)] if rest else []
    return taken, held


def _known(journaled: Iterable[JournaledWindow], found: dict[int, int], *, purge: bool) -> Iterable[PlannedWindow]:
    for entry in journaled:
        action = _action(entry, found[entry.id], purge=purge)
        if action:
            rows = found[entry.id]
            yield PlannedWindow(entry.window, entry.creation_date, rows, action, entry)


def _action(entry: JournaledWindow, found: int, *, purge: bool) -> Action | None:
    if not entry.generations:
        return Action.RESUME
    if found != entry.due_rows:
        return Action.RECONCILE
    return Action.PURGE if purge and found else None


def _at(journaled: Sequence[JournaledWindow], instant: datetime) -> JournaledWindow | None:
    low, high = 0, len(journaled)
    while low < high:
        middle = (low + high) // 2
        if journaled[middle].window.end_at <= instant:
            low = middle + 1
        else:
            high = middle
    return journaled[low] if low < len(journaled) and instant in journaled[low].window else None


def _gap(bucket: Bucket, journaled: Sequence[JournaledWindow], calendar: Calendar, cutoff: datetime) -> Window:
    """The stretch of the bucket's local day, up to the cutoff, that no journaled window holds."""
    instant = bucket.window.start_at
    day = calendar.day(calendar.day_of(instant))
    before = [e.window.end_at for e in journaled if day.start_at < e.window.end_at <= instant]
    after = [e.window.start_at for e in journaled if instant < e.window.start_at < day.end_at]
    return Window(max([day.start_at, *before]), min([day.end_at, cutoff, *after]))


def _fill(result: Cut, gap: Window, content: list[Bucket], day: date, bounds: Bounds) -> None:
    """Cut the rows in `gap`, which lies in `day`, into windows that together cover all of it."""
    rows = sum(bucket.rows for bucket in content)
    if not bounds.indexed:
        if rows > bounds.day_rows:
            result.held.append(Held(f"day {day}", rows, Hold.DAY_TOO_BIG, gap))
        else:
            result.windows.append(PlannedWindow(gap, day, rows, Action.ARCHIVE))
        return
    for window, count in _pieces(result, gap, content, bounds):
        if count > bounds.second_rows:
            what = f"second {window.start_at:%Y-%m-%d %H:%M:%S} UTC"
            result.held.append(Held(what, count, Hold.SECOND_TOO_BIG, window))
        elif count:
            result.windows.append(PlannedWindow(window, day, count, Action.ARCHIVE))


def _pieces(result: Cut, gap: Window, content: list[Bucket], bounds: Bounds) -> Iterable[tuple[Window, int]]:
    start, rows = gap.start_at, 0
    for bucket in content:
        too_big = bucket.rows > bounds.window_rows
        if too_big and bucket.window.duration > SECOND:
            result.finer.append(bucket.window)
        # Where a zone skips an hour, its buckets share one second, and nothing can be cut between them.
        if rows and rows + bucket.rows > bounds.window_rows and bucket.window.start_at > start:
            yield Window(start, bucket.window.start_at), rows
            start, rows = bucket.window.start_at, 0
        rows += bucket.rows
    yield Window(start, gap.end_at), rows
