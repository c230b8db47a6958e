"""Blocks of moments: nothing is lost on the way through them, whatever the names and values are."""

from __future__ import annotations

import random
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicemanager.iotdb import moment_blocks
from servicemanager.iotdb.moment_blocks import MAX_BYTES, PAIRS, gather, in_order, merge, pack, unpack
from servicemanager.iotdb.moment_columns import NONE, SCHEMA, from_pairs, merged, of_device, to_pairs
from servicemanager.iotdb.moments import Moments, Pair

BIGINT = st.integers(-(2**63), 2**63 - 1)
EDGES = st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31), 2**32, -(2**32), 2**63 - 1, -(2**63)])
VALUES = st.lists(EDGES | st.integers(-(2**31), 2**31 - 1) | BIGINT, min_size=1, max_size=4)
DEVICES = st.sampled_from([b"", b"\0", b"a", b"ab", b"ab ", b"AB", b"\xff\xfe", b"'", b"\\", "ção".encode()])
PAIR = st.builds(Pair, DEVICES | st.binary(max_size=255), st.integers(-2, 2) | BIGINT)


def of(values: list[int], times: int = 1) -> Moments:
    """As if each value had been read so many times."""
    squares = sum(value * value for value in values)
    return Moments(len(values) * times, sum(values) * times, squares * times, min(values), max(values))


MOMENTS = st.builds(of, VALUES, st.sampled_from([1, 2**31, 2**40]))
TABLES = st.dictionaries(PAIR, MOMENTS, max_size=12)


def table(pairs: dict[Pair, Moments]):
    return from_pairs(sorted(pairs.items()))


def names(table) -> list[bytes]:
    return [pair.device for pair, _ in to_pairs(table)]


def added(parts: list[dict[Pair, Moments]]) -> dict[Pair, Moments]:
    """By Python's own dictionaries and integers."""
    found: dict[Pair, Moments] = {}
    for pair, moments in chain.from_iterable(part.items() for part in parts):
        found[pair] = found[pair] + moments if pair in found else moments
    return dict(sorted(found.items()))


@given(TABLES)
def test_a_table_comes_back_out_of_its_blocks_as_it_was(pairs):
    blocks = list(pack(table(pairs)))
    back = [unpack(block.payload) for block in blocks]
    assert list(chain.from_iterable(map(to_pairs, back))) == sorted(pairs.items())
    assert all(each.schema == SCHEMA for each in back)
    for block, each in zip(blocks, back, strict=True):
        devices = [pair.device for pair, _ in to_pairs(each)]
        assert (block.pairs, block.first_device, block.last_device) == (len(devices), devices[0], devices[-1])


@given(st.lists(TABLES, max_size=6))
def test_tables_are_merged_as_dictionaries_of_integers_would_be(parts):
    assert list(to_pairs(merged(map(table, parts)))) == list(added(parts).items())


@pytest.mark.parametrize("at_once", [1, 5, 1 << 16])
@given(st.lists(TABLES, max_size=6))
@settings(max_examples=30)
def test_blocks_that_overlap_are_merged_in_order_however_few_lines_are_held(at_once, parts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moment_blocks, "_AT_ONCE", at_once)
        patch.setattr(moment_blocks, "PAIRS", 3)
        blocks = in_order(chain.from_iterable(pack(table(part)) for part in parts))
        found = list(merge(blocks))
        assert list(chain.from_iterable(map(to_pairs, found))) == list(added(parts).items())
        before: set[bytes] = set()
        for each in found:
            assert not before & set(each.column("device").combine_chunks().dictionary.to_pylist()), "it would grow"
            before |= set(names(each))


@given(st.lists(TABLES, max_size=6))
@settings(max_examples=30)
def test_what_is_gathered_counts_every_table_however_often_it_is_put_together(parts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moment_blocks, "_PACKED_AT_ONCE", 1)
        back = [unpack(block.payload) for block in gather(map(table, parts))]
    assert list(chain.from_iterable(map(to_pairs, back))) == list(added(parts).items())


@given(TABLES, PAIR)
def test_one_device_is_found_among_others(pairs, other):
    for device in {pair.device for pair in pairs} | {other.device}:
        mine = {pair: moments for pair, moments in pairs.items() if pair.device == device}
        assert list(to_pairs(of_device(table(pairs), device))) == sorted(mine.items())


def test_of_nothing_there_are_no_blocks():
    assert list(pack(NONE)) == gather([]) == list(merge([])) == []
    assert merged([]).num_rows == 0


def test_blocks_are_about_equally_long_and_take_few_bytes_for_each_pair():
    chance = random.Random(1)  # noqa: S311 -- no secret
    values = ([chance.gauss(230, 20) for _ in range(20)] for _ in range(9000))
    pairs = {
        Pair(b"AA:BB:%08d" % (number // 3), number % 3): of(list(map(int, each))) for number, each in enumerate(values)
    }
    blocks = list(pack(table(pairs)))
    assert [block.pairs for block in blocks] == [4500, 4500]
    assert sum(len(block.payload) for block in blocks) < 15 * len(pairs)


def test_a_block_stays_below_the_smallest_packet_of_a_server_whatever_is_in_it():
    chance = random.Random(2)  # noqa: S311
    pairs = {
        Pair(chance.randbytes(255), chance.getrandbits(62)): of([chance.getrandbits(63), -chance.getrandbits(63)])
        for _ in range(2 * PAIRS)
    }
    blocks = list(pack(table(pairs)))
    assert max(len(block.payload) for block in blocks) <= MAX_BYTES
    assert sum(block.pairs for block in blocks) == len(pairs)
    assert len(blocks) > len(pairs) // PAIRS
    back = chain.from_iterable(to_pairs(unpack(block.payload)) for block in blocks)
    assert list(back) == sorted(pairs.items())
