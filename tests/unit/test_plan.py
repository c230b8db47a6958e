"""Single decisions of a plan: where windows are cut, what is done with them, and what is held back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.export import planning
from servicemanager.export.plan import Action, Bounds, Cut, ExportPlan, Hold, PlannedWindow, Purge, cut, limit
from servicemanager.iotdb.facts import Bucket
from servicemanager.iotdb.window import SECOND, Calendar, Window
from support.counted import CountedFacts, journaled

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
DAY = date(2026, 11, 20)
START = datetime(2026, 11, 20, 3, tzinfo=UTC)
QUARTER, MINUTE, HOUR = timedelta(minutes=15), timedelta(minutes=1), timedelta(hours=1)


def seconds(*pairs: tuple[int, int]) -> dict[datetime, int]:
    """Rows by seconds after local midnight of DAY."""
    return {START.replace(tzinfo=None) + timedelta(seconds=second): rows for second, rows in pairs}


def plan(facts: CountedFacts, entries=(), calendar: Calendar | None = None, **bounds) -> Cut:
    limits = {"window_rows": 10, "second_rows": 30, "day_rows": 60, "cutoff": START + timedelta(days=3), **bounds}
    bounds = Bounds(**{"indexed": True, **limits})
    buckets = facts.counts(None, bounds.cutoff, QUARTER)
    return planning._cut(facts, list(entries), calendar or Calendar(SAO_PAULO), bounds, buckets)


def spans(found: Cut) -> list[tuple[int, int]]:
    """The windows in seconds after local midnight of DAY."""
    return [((p.window.start_at - START) // SECOND, (p.window.end_at - START) // SECOND) for p in found.windows]


def test_a_day_with_few_rows_is_one_window():
    found = plan(CountedFacts(seconds((0, 3), (40_000, 3), (86_399, 3))))
    assert spans(found) == [(0, 86_400)]
    assert found.windows[0].creation_date == DAY
    assert found.windows[0].action is Action.ARCHIVE


def test_windows_together_cover_the_whole_day():
    found = plan(CountedFacts(seconds((3600, 8), (20_000, 8), (80_000, 8))))
    assert spans(found) == [(0, 19_800), (19_800, 79_200), (79_200, 86_400)]


def test_quarters_of_an_hour_are_all_that_is_counted_while_they_decide():
    facts = CountedFacts(seconds(*((900 * n, 4) for n in range(96))))
    assert len(plan(facts).windows) == 48
    assert facts.asked == [(None, QUARTER)]


def test_only_a_full_quarter_is_counted_by_minutes_and_only_a_full_minute_by_seconds():
    facts = CountedFacts(seconds((0, 5), (900, 6), (960, 6), (1800, 8), (1801, 8)))
    found = plan(facts)
    quarters = [Window(START + n * QUARTER, START + (n + 1) * QUARTER) for n in (1, 2)]
    minute = Window(START + 2 * QUARTER, START + 2 * QUARTER + MINUTE)
    assert facts.asked == [(None, QUARTER), (quarters[0], MINUTE), (quarters[1], MINUTE), (minute, SECOND)]
    assert spans(found) == [(0, 900), (900, 960), (960, 1800), (1800, 1801), (1801, 86_400)]


def test_a_second_with_too_many_rows_is_held_back_alone():
    found = plan(CountedFacts(seconds((100, 5), (200, 31), (300, 5))))
    assert [(held.what, held.rows, held.reason) for held in found.held] == [
        ("second 2026-11-20 03:03:20 UTC", 31, Hold.SECOND_TOO_BIG)
    ]
    assert [planned.rows for planned in found.windows] == [5, 5]


def test_a_day_with_too_many_rows_is_held_back_where_no_index_helps():
    facts = CountedFacts(seconds((0, 30), (900, 31), (86_400, 5)))
    found = plan(facts, indexed=False)
    assert [(held.what, held.rows, held.reason) for held in found.held] == [("day 2026-11-20", 61, Hold.DAY_TOO_BIG)]
    assert spans(found) == [(86_400, 172_800)]
    assert facts.asked == [(None, QUARTER)]


@pytest.mark.parametrize(
    ("generations", "due", "rows", "purge", "action"),
    [
        (0, 0, 5, True, Action.RESUME),
        (0, 0, 0, False, Action.RESUME),
        (1, 5, 5, True, Action.PURGE),
        (1, 5, 5, False, None),
        (1, 0, 0, True, None),
        (1, 5, 0, True, Action.RECONCILE),
        (2, 0, 1, True, Action.RECONCILE),
        (2, 5, 6, False, Action.RECONCILE),
    ],
)
def test_what_a_journaled_window_still_needs(generations, due, rows, purge, action):
    window = Window(START, START + timedelta(days=1))
    entry = journaled(window, 1, generations, due)
    found = plan(CountedFacts(seconds((60, rows)) if rows else {}), [entry], purge=purge)
    assert [(p.action, p.rows, p.journaled) for p in found.windows] == ([(action, rows, entry)] if action else [])


def test_only_what_must_still_be_archived_is_expected_to_take_room():
    planned = PlannedWindow(Window(START, START + HOUR), DAY, 100, Action.ARCHIVE)
    assert planned.bytes_expected > 0
    assert replace(planned, action=Action.PURGE).bytes_expected == 0


def test_cut_names_what_is_too_coarse_and_decides_all_the_same_when_it_must():
    coarse = Bucket(Window(START, START + QUARTER), 11)
    bounds = Bounds(indexed=True, cutoff=START + timedelta(days=1), window_rows=10)
    entry = journaled(Window(START, START + MINUTE))
    asked = cut([coarse], [entry], Calendar(SAO_PAULO), bounds)
    assert asked.finer == [coarse.window]
    final = cut([coarse], [entry], Calendar(SAO_PAULO), bounds, final=True)
    assert [(planned.window, planned.rows) for planned in final.windows] == [(entry.window, 11)]


# -- --max-rows -------------------------------------------------------------------------------------------------


def planned_of(*rows: int) -> list[PlannedWindow]:
    return [
        PlannedWindow(Window(START + n * HOUR, START + (n + 1) * HOUR), DAY, count, Action.ARCHIVE)
        for n, count in enumerate(rows)
    ]


@given(st.lists(st.integers(1, 20), max_size=12), st.none() | st.integers(0, 60))
def test_max_rows_takes_the_oldest_windows_in_order_and_at_least_one(rows, max_rows):
    windows = planned_of(*rows)
    taken, held = limit(windows, max_rows)
    assert taken == windows[: len(taken)]
    assert sum(p.rows for p in taken) + sum(h.rows for h in held) == sum(rows)
    assert len(taken) >= min(1, len(rows))
    if max_rows is not None and len(taken) > 1:
        assert sum(p.rows for p in taken) <= max_rows
    if held:
        assert sum(p.rows for p in windows[: len(taken) + 1]) > max_rows
        assert [h.reason for h in held] == [Hold.MAX_ROWS]
    if max_rows is None:
        assert taken == windows


def test_what_max_rows_holds_back_is_named_by_where_it_goes_on():
    taken, (held,) = limit(planned_of(5, 5, 5, 1), 10)
    assert len(taken) == 2
    assert (held.what, held.rows) == ("windows after 2026-11-20 05:00 UTC", 6)


# -- The plan as a document -------------------------------------------------------------------------------------


def test_the_plan_as_a_document_gives_a_reason_for_everything():
    found = plan(CountedFacts(seconds((100, 5), (200, 31))))
    value = ExportPlan(START, tuple(found.windows), Purge.ASKED_NOT_TO, tuple(found.held), ("a notice",))
    document = value.to_document()
    assert document["rows"] == 5
    assert document["purge"] == {"decision": "asked_not_to", "reason": Purge.ASKED_NOT_TO.value}
    assert document["held"][0]["reason"] == Hold.SECOND_TOO_BIG.value
    assert document["windows"][0]["action"] == "archive"
    assert document["notices"] == ["a notice"]
