"""Rows as they come, gathered into windows."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.export.gather import Expected, gather
from servicemanager.iotdb.columns import STORED

#: Three windows with a gap before the last one; hours 0, 5 and 9 lie in none.
SPANS = [(1, 3), (3, 5), (6, 9)]

arrivals = st.lists(st.integers(0, 9), max_size=40)
cuts = st.lists(st.integers(0, 40), max_size=6)


def table(hours: list[int]) -> pa.Table:
    names = pa.array([f"board {hour}" for hour in hours], pa.string())
    return pa.table({"device": names.dictionary_encode(), STORED: pa.array(hours, pa.int64())})


def in_pieces(hours: list[int], cuts: list[int]) -> list[pa.Table]:
    ends = sorted({0, len(hours), *(cut for cut in cuts if cut < len(hours))})
    return [table(hours[start:end]) for start, end in pairwise(ends)]


def inside(hours: list[int], span: tuple[int, int]) -> Counter:
    return Counter(hour for hour in hours if span[0] <= hour < span[1])


def expected(hours: list[int]) -> list[Expected]:
    return [Expected(*span, inside(hours, span).total()) for span in SPANS]


@given(arrivals, cuts)
def test_each_window_gets_its_rows_in_whatever_order_they_come(hours, cuts):
    found = list(gather(in_pieces(hours, cuts), expected(hours), table([])))
    assert [Counter(rows[STORED].to_pylist()) for rows in found] == [inside(hours, span) for span in SPANS]
    assert all(rows["device"].to_pylist() == [f"board {h}" for h in rows[STORED].to_pylist()] for rows in found)


@given(arrivals, cuts, st.integers(0, 20))
def test_where_too_many_rows_would_wait_only_whole_windows_were_handed_out(hours, cuts, limit):
    found = list(gather(in_pieces(hours, cuts), expected(hours), table([]), limit))
    whole = [inside(hours, span) for span in SPANS]
    assert [Counter(rows[STORED].to_pylist()) for rows in found] == whole[: len(found)]
    if hours == sorted(hours) and not cuts:
        assert len(found) == len(SPANS) or limit < len(hours)


def test_rows_that_come_backwards_are_given_up_before_they_fill_the_memory():
    taken = []
    tables = (taken.append(hour) or table([hour]) for hour in (8, 7, 6, 4, 3, 2, 1))
    assert list(gather(tables, expected([1, 2, 3, 4, 6, 7, 8]), table([]), 3)) == []
    assert taken == [8, 7, 6, 4]


def test_a_window_is_handed_out_before_the_rows_behind_it_are_asked_for():
    taken = []
    tables = (taken.append(hour) or table([hour]) for hour in (1, 2, 3, 4, 6, 7, 8))
    found = gather(tables, expected([1, 2, 3, 4, 6, 7, 8]), table([]))
    assert next(found)[STORED].to_pylist() == [1, 2]
    assert taken == [1, 2]


def test_the_last_window_waits_for_the_end_so_that_the_query_has_ended_when_its_rows_are_deleted():
    ended = []

    def tables():
        yield table([1, 3, 6])
        ended.append(True)

    *_, last = gather(tables(), expected([1, 3, 6]), table([]))
    assert last[STORED].to_pylist() == [6]
    assert ended == [True]
