"""The throttle: how long work waits for its turn, and how windows are taken in pieces."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.export.pace import HoursOver, Throttle, Work, pieces
from servicemanager.iotdb.window import Window

START = datetime(2026, 11, 20, 3, tzinfo=UTC)


class Clock:
    """Time passes only where somebody waits, or works."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


def throttle(rows_per_second: int | None, closes_at: float | None = None) -> tuple[Throttle, Clock]:
    clock = Clock()
    return Throttle(rows_per_second, closes_at, clock, clock), clock


def test_without_a_limit_nobody_waits():
    asked, clock = throttle(None)
    for _ in range(100):
        asked.before(Work.READ, 1_000_000)
    assert clock.now == 100.0


def test_so_many_rows_a_second_pass_and_no_more():
    asked, clock = throttle(1000)
    for _ in range(61):
        asked.before(Work.DELETE, 500)
    assert clock.now == pytest.approx(130.0)


def test_what_takes_its_time_does_not_wait_besides():
    asked, clock = throttle(1000)
    for _ in range(10):
        asked.before(Work.READ, 500)
        clock.now += 0.5
    assert clock.now == pytest.approx(105.0)


def test_what_came_late_does_not_hurry_afterwards():
    asked, clock = throttle(1000)
    asked.before(Work.READ, 500)
    clock.now += 60
    began = clock.now
    for _ in range(11):
        asked.before(Work.READ, 500)
    assert clock.now - began == pytest.approx(5.0)


def test_each_kind_of_work_keeps_the_pace_for_itself():
    asked, clock = throttle(1000)
    asked.before(Work.READ, 5000)
    asked.before(Work.COUNT, 5000)
    asked.before(Work.DELETE, 5000)
    assert clock.now == 100.0


def test_nothing_begins_once_the_hours_are_over_and_nobody_waits_for_their_end():
    asked, clock = throttle(1000, closes_at=101.0)
    asked.before(Work.DELETE, 5000)
    with pytest.raises(HoursOver):
        asked.before(Work.DELETE, 1)
    assert clock.now == 100.0
    clock.now = 101.0
    with pytest.raises(HoursOver):
        asked.check()


@given(st.integers(1, 100_000), st.integers(0, 1_000_000), st.integers(1, 50_000), st.integers(1, 900))
def test_pieces_cover_their_window_without_a_gap_and_are_cut_only_where_the_table_can_be(seconds, rows, most, grain):
    window = Window(START, START + timedelta(seconds=seconds))

    def snap(instant: datetime) -> datetime:
        return START + (instant - START) // timedelta(seconds=grain) * timedelta(seconds=grain)

    found = list(pieces(window, rows, most, snap))
    spans = [span for span, _ in found]
    assert (spans[0].start_at, spans[-1].end_at) == (window.start_at, window.end_at)
    assert all(one.end_at == other.start_at for one, other in pairwise(spans))
    assert all(span.start_at < span.end_at and snap(span.start_at) == span.start_at for span in spans)
    assert sum(share for _, share in found) <= rows
