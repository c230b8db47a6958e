"""Plans of any table and any journal: windows fill exactly the time that nothing is journaled for."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, event, example, given
from hypothesis import strategies as st

from servicemanager.archive.journal import JournaledWindow
from servicemanager.export import planning
from servicemanager.export.plan import Action, Bounds, Cut, Hold, PlannedWindow
from servicemanager.iotdb.stored import UtcTime, WallTime, snap
from servicemanager.iotdb.window import SECOND, Calendar, Window
from support.counted import CountedFacts, journaled, rows_in

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)


@dataclass(frozen=True)
class Case:
    """A table, a journal and what limits the windows."""

    facts: CountedFacts
    calendar: Calendar
    entries: tuple[JournaledWindow, ...]
    bounds: Bounds

    def cut(self) -> Cut:
        buckets = self.facts.counts(None, self.bounds.cutoff, timedelta(minutes=15))
        return planning._cut(self.facts, list(self.entries), self.calendar, self.bounds, buckets)


#: A zone, the zone of the wall times if there is one, and a local day, one whose clocks are changed among them.
PLACES = [
    ("America/Sao_Paulo", None, date(2026, 11, 20)),
    ("UTC", None, date(2026, 11, 20)),
    ("Asia/Kathmandu", None, date(1986, 1, 1)),
    ("America/St_Johns", None, date(2010, 11, 7)),
    ("America/Sao_Paulo", "America/Sao_Paulo", date(2018, 2, 17)),
    ("Europe/Lisbon", "Europe/Lisbon", date(2026, 10, 25)),
    ("UTC", "America/Havana", date(2026, 11, 1)),
]
#: In these nights a clock skips an hour, in which rows may stand all the same.
GAPS = [
    ("America/Sao_Paulo", "America/Sao_Paulo", date(2018, 11, 4)),
    ("UTC", "Europe/Lisbon", date(2026, 3, 29)),
    ("America/St_Johns", "America/St_Johns", date(2010, 3, 14)),
]
offsets = st.one_of(
    st.integers(-93_600, 180_000),
    st.builds(lambda quarter, near: quarter * 900 + near, st.integers(-12, 30), st.integers(-2, 2)),
)


@st.composite
def cases(draw, places, *, indexed: bool | None = None) -> Case:
    zone, wall, day = draw(st.sampled_from(places))
    time = WallTime(ZoneInfo(wall)) if wall else UtcTime()
    calendar = Calendar(ZoneInfo(zone), lambda instant: snap(time, instant))
    noon = time.to_stored(calendar.start_of(day))
    amounts = st.one_of(st.integers(1, 4), st.integers(1, 15), st.integers(30, 45))
    drawn = draw(st.dictionaries(offsets, amounts, min_size=1, max_size=25))
    facts = CountedFacts({noon + timedelta(seconds=offset): rows for offset, rows in drawn.items()}, time)
    bounds = Bounds(
        indexed=draw(st.booleans()) if indexed is None else indexed,
        cutoff=calendar.start_of(day + timedelta(days=draw(st.integers(0, 2)))),
        purge=draw(st.booleans()),
        window_rows=10,
        second_rows=30,
        day_rows=60,
    )
    return Case(facts, calendar, tuple(draw(journals(facts, calendar, bounds.cutoff, noon))), bounds)


@st.composite
def journals(draw, facts: CountedFacts, calendar: Calendar, cutoff: datetime, noon: datetime) -> list[JournaledWindow]:
    """Disjoint windows that end by the cutoff, of this or of another zone's days, and how far they have come."""
    base = facts.time.to_window(noon, noon + SECOND).start_at
    edges = sorted({calendar.snap(base + timedelta(seconds=s)) for s in draw(st.lists(offsets, max_size=6))})
    windows = [Window(a, b) for a, b in pairwise(edges) if b <= cutoff and draw(st.booleans())]
    found = []
    for number, window in enumerate(windows):
        due = draw(st.sampled_from([0, 3, rows_in(facts, window)]))
        found.append(journaled(window, number, draw(st.integers(0, 2)), due))
    return found


def new_windows(found: Cut) -> list[PlannedWindow]:
    return [planned for planned in found.windows if planned.journaled is None]


def skipped_hour() -> Case:
    """Rows of the last second before a midnight that was skipped, and of two seconds that no clock showed."""
    time = WallTime(SAO_PAULO)
    calendar = Calendar(SAO_PAULO, lambda instant: snap(time, instant))
    rows = {datetime(2018, 11, 3, 23, 59, 59): 10, datetime(2018, 11, 4, 0, 0): 10, datetime(2018, 11, 4, 0, 30): 10}
    bounds = Bounds(indexed=True, cutoff=calendar.start_of(date(2018, 11, 5)), window_rows=10, second_rows=30)
    return Case(CountedFacts(rows, time), calendar, (), bounds)


@given(cases(PLACES + GAPS))
@example(skipped_hour())
def test_no_two_windows_overlap(case):
    found = case.cut()
    windows = sorted({entry.window for entry in case.entries} | {planned.window for planned in found.windows})
    assert all(a.end_at <= b.start_at for a, b in pairwise(windows))
    assert all(window.start_at < window.end_at for window in windows)
    assert [planned.window for planned in found.windows] == sorted({planned.window for planned in found.windows})


@given(cases(PLACES + GAPS))
def test_new_windows_stay_within_their_local_day_and_before_the_cutoff(case):
    for planned in new_windows(case.cut()):
        assert case.calendar.day(planned.creation_date).covers(planned.window)
        assert planned.window.end_at <= case.bounds.cutoff


def homeless(case: Case, found: Cut) -> int:
    """Rows that are due and lie in no window, journaled or new."""
    windows = sorted({entry.window for entry in case.entries} | {planned.window for planned in found.windows})
    ends = [window.end_at for window in windows]
    rows_without = 0
    for instant, rows in case.facts.instants().items():
        place = bisect_right(ends, instant)
        if instant < case.bounds.cutoff and not (place < len(windows) and instant in windows[place]):
            rows_without += rows
    return rows_without


@given(cases(PLACES))
def test_every_row_that_is_due_lies_in_one_window_or_is_held_back(case):
    found = case.cut()
    assert homeless(case, found) == sum(held.rows for held in found.held)


@given(cases(GAPS))
def test_rows_at_a_time_that_the_clock_skipped_lie_in_a_window_too(case):
    found = case.cut()
    assert found.held or not homeless(case, found)


@given(cases(PLACES))
def test_the_rows_of_a_window_are_counted_exactly(case):
    for planned in case.cut().windows:
        assert planned.rows == rows_in(case.facts, planned.window)


@given(cases(PLACES, indexed=True))
def test_a_window_holds_a_bounded_number_of_rows_unless_they_are_of_one_second(case):
    found = case.cut()
    for planned in new_windows(found):
        its = [rows for instant, rows in case.facts.instants().items() if instant in planned.window]
        event("one big second" if sum(its) > 10 else "several seconds")
        assert sum(its) <= 10 or (len(its) == 1 and its[0] <= 30)
    assert {held.reason for held in found.held} <= {Hold.SECOND_TOO_BIG}
    assert all(held.rows > 30 for held in found.held)


@given(cases(PLACES, indexed=False))
def test_without_an_index_whole_days_or_nothing(case):
    found = case.cut()
    edges = {entry.window.start_at for entry in case.entries} | {entry.window.end_at for entry in case.entries}
    for planned in new_windows(found):
        day = case.calendar.day(planned.creation_date)
        assert planned.window.start_at in edges | {day.start_at}
        assert planned.window.end_at in edges | {day.end_at, case.bounds.cutoff}
        assert planned.rows <= 60
    assert {held.reason for held in found.held} <= {Hold.DAY_TOO_BIG}
    assert all(held.rows > 60 for held in found.held)


@given(cases(PLACES + GAPS))
def test_a_journaled_window_is_never_cut_anew(case):
    found = [planned for planned in case.cut().windows if planned.journaled]
    assert all(planned.window == planned.journaled.window for planned in found)
    assert all(planned.creation_date == planned.journaled.creation_date for planned in found)
    assert {planned.journaled for planned in found} <= set(case.entries)


@given(cases(PLACES))
def test_what_is_done_with_a_journaled_window_follows_from_its_numbers(case):
    actions = {planned.journaled: planned.action for planned in case.cut().windows if planned.journaled}
    for entry in case.entries:
        rows = rows_in(case.facts, entry.window)
        expected = Action.PURGE if case.bounds.purge and rows else None
        if rows != entry.due_rows:
            expected = Action.RECONCILE
        assert actions.get(entry) == (expected if entry.generations else Action.RESUME)


@given(cases(PLACES))
def test_the_same_table_gives_the_same_plan_and_a_journaled_plan_no_new_window(case):
    assume(case.bounds.indexed)
    first = case.cut()
    assert case.cut() == first
    number = len(case.entries)
    entries = [*case.entries, *(journaled(p.window, number + i, 0) for i, p in enumerate(new_windows(first)))]
    again = replace(case, entries=tuple(sorted(entries, key=lambda entry: entry.window))).cut()
    assert new_windows(again) == []
    assert again.held == first.held


@given(cases(PLACES))
def test_the_table_is_counted_once_and_more_finely_only_where_that_decides(case):
    case.cut()
    (first, *further) = case.facts.asked
    assert first == (None, QUARTER)
    assert [step for _, step in further] == sorted((step for _, step in further), reverse=True)
    edges = {edge for entry in case.entries for edge in (entry.window.start_at, entry.window.end_at)}
    for span, _ in further:
        day = case.calendar.day(case.calendar.day_of(span.start_at))
        straddles = any(span.start_at < edge < span.end_at for edge in edges | {day.end_at})
        straddles = straddles or span.end_at == case.bounds.cutoff
        assert straddles or rows_in(case.facts, span) > case.bounds.window_rows


@given(cases(PLACES), st.integers(1, 20 * 3600))
def test_a_journaled_window_that_ends_after_the_cutoff_waits_as_a_whole(case, length):
    """As after a change of zone, or with --before."""
    cutoff, snapped = case.bounds.cutoff, case.calendar.snap
    waiting = journaled(Window(snapped(cutoff - HOUR), snapped(cutoff + timedelta(seconds=length))), 99)
    assume(waiting.window.start_at < cutoff < waiting.window.end_at)
    before = [entry for entry in case.entries if entry.window.end_at <= waiting.window.start_at]
    found = replace(case, entries=(*before, waiting)).cut()
    assert not [planned.window for planned in found.windows if planned.window.overlaps(waiting.window)]
