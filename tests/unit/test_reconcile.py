"""Reconcile: tables are compared as multisets, row by row, each row as often as it is there."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.archive.journal import Part
from servicemanager.export.purge import slices_of
from servicemanager.export.reconcile import multiset_difference
from servicemanager.iotdb.fingerprint import EMPTY, fingerprint_rows, total
from servicemanager.iotdb.reader import READ_SCHEMA
from servicemanager.iotdb.window import Window, from_epoch
from support.iotdb import MIDNIGHT, reading
from support.rows import contents, moment, multiset, to_rows, to_table

#: Few enough that both tables often hold the same.
pool = st.lists(st.tuples(contents(nullable=True), st.sampled_from([MIDNIGHT, moment(-1)])), min_size=1, max_size=4)
pairs = pool.flatmap(
    lambda rows: st.tuples(
        *[st.lists(st.sampled_from(rows).map(lambda row: (*row[0], row[1])), max_size=12) for _ in "ab"]
    )
)


@given(pairs)
def test_the_difference_is_that_of_multisets(pair):
    live, archived = (Counter(rows) for rows in pair)
    new, vanished = multiset_difference(*map(to_table, pair))
    assert multiset(new) == live - archived
    assert vanished == (archived - live).total()


@given(pairs)
def test_archive_and_difference_together_hold_all_that_is_live(pair):
    live, archived = map(to_table, pair)
    new, vanished = multiset_difference(live, archived)
    if not vanished:
        assert total(map(fingerprint_rows, (archived, new))) == fingerprint_rows(live)


@given(pairs)
def test_the_rows_that_are_lacking_keep_their_order_and_their_types(pair):
    live, archived = map(to_table, pair)
    new, _ = multiset_difference(live, archived)
    assert new.schema == READ_SCHEMA
    found = iter(to_rows(live))
    assert all(row in found for row in to_rows(new))


@given(pairs, st.integers(1, 12))
def test_how_the_tables_lie_in_memory_does_not_matter(pair, length):
    live, archived = map(to_table, pair)
    pieces = pa.concat_tables([live.slice(start, length) for start in range(0, live.num_rows, length)] or [live])
    assert multiset_difference(pieces, archived)[0].equals(multiset_difference(live, archived)[0])


def difference(live, archived) -> tuple[list, int]:
    new, vanished = multiset_difference(to_table(live), to_table(archived))
    return to_rows(new), vanished


def test_nothing_differs_from_itself():
    rows = [reading(), reading(), reading(data=None)]
    assert difference(rows, rows[::-1]) == ([], 0)
    assert difference([], []) == ([], 0)


def test_a_copy_of_an_archived_row_is_new():
    assert difference([reading()] * 3, [reading()]) == ([reading()] * 2, 0)


def test_what_only_the_archive_holds_is_counted():
    assert difference([reading()], [reading(), reading(), reading(data=7)]) == ([], 2)
    assert difference([], [reading()]) == ([], 1)


@pytest.mark.parametrize(
    ("live", "archived"),
    [
        ({"sensor": None}, {"sensor": 0}),
        ({"device": ""}, {"device": None}),
        ({"device": "AB:01"}, {"device": "ab:01"}),
        ({"device": "a "}, {"device": "a"}),
        ({"channel": "a;1:b"}, {"channel": "a"}),
    ],
)
def test_rows_that_only_look_alike_are_two(live, archived):
    assert difference([reading(**live)], [reading(**archived)]) == ([reading(**live)], 1)


def part(generation: int, number: int, rows: int, *, purged: bool = False) -> Part:
    window = Window(from_epoch(number), from_epoch(number + 1))
    return Part(
        generation, number, window, fingerprint_rows(to_table([reading()] * rows)), MIDNIGHT if purged else None
    )


def test_a_slice_expects_what_was_archived_for_it_and_not_purged():
    parts = [part(0, 1, 3), part(1, 1, 2), part(0, 0, 5, purged=True), part(2, 0, 1), part(0, 2, 4, purged=True)]
    found = slices_of(parts)
    assert [piece.number for piece in found] == [0, 1, 2]
    assert [piece.expected.rows for piece in found] == [1, 5, 0]
    assert [[p.generation for p in piece.unpurged] for piece in found] == [[2], [0, 1], []]
    assert found[2].expected == EMPTY
    assert slices_of([]) == []
