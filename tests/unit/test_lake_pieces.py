"""The pure parts of the lake: stretches of time, and how an answer is spelled."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.cli.query import plain, unique
from servicemanager.iotdb.window import Calendar, Window
from servicemanager.lake.live import gaps, merged
from servicemanager.lake.promises import live_months

START = datetime(2026, 11, 1, tzinfo=UTC)


def window(begin: int, length: int) -> Window:
    return Window(START + timedelta(seconds=begin), START + timedelta(seconds=begin + length))


windows = st.lists(st.builds(window, st.integers(-20, 60), st.integers(1, 15)))


@given(windows, st.integers(0, 30), st.integers(1, 30))
def test_each_second_of_a_span_is_in_a_hole_or_in_one_gap(held, begin, length):
    span, holes = window(begin, length), merged(held)
    left = gaps(span, holes)
    for second in range(begin - 5, begin + length + 5):
        instant = START + timedelta(seconds=second)
        in_hole = any(instant in each for each in held)
        assert sum(instant in each for each in holes) == in_hole
        assert sum(instant in each for each in left) == (instant in span and not in_hole)


@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "Europe/Berlin", "UTC"])
def test_the_pieces_hold_all_of_time_once(zone):
    calendar, today = Calendar(ZoneInfo(zone)), date(2018, 12, 1)  # a midnight was skipped in Brazil before
    months = live_months(calendar, today)
    found = [piece for month in months for piece in month.parts()]
    for pieces in (found, [month.piece for month in months]):
        assert all(before.window.end_at == after.window.start_at for before, after in pairwise(pieces))
        assert all(before.last + timedelta(days=1) == after.first for before, after in pairwise(pieces))
    for each in found[1:-1]:
        assert each.first == each.last == calendar.day_of(each.window.start_at)
    assert (len(found), len(months)) == (403, 16)
    assert (found[-2].last, found[-1].first) == (today, today + timedelta(days=1))


def test_columns_of_one_name_are_told_apart():
    assert unique(["a", "a", "a_1", "b", "a"]) == ["a", "a_1", "a_1_1", "b", "a_2"]


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (2**100, 2**100),
        (Decimal(2**100), 2**100),
        (Decimal("1.50"), "1.50"),
        (float("nan"), "nan"),
        (b"ab\xff", "ab\\xff"),
        ({"a": [datetime(2026, 11, 20, 12, tzinfo=UTC), None]}, {"a": ["2026-11-20T12:00:00+00:00", None]}),
        (timedelta(hours=1), "1:00:00"),
    ],
)
def test_a_value_is_spelled_so_that_json_can_hold_it(value, spelled):
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == spelled
