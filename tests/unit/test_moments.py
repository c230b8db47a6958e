"""Moments: exact, whatever the values, and the same to the last bit however the readings are parted."""

from __future__ import annotations

import statistics
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.iotdb.moment_columns import SCHEMA, merged, moments_of, to_pairs
from servicemanager.iotdb.moments import Moments, Pair, root

INT = st.integers(-(2**31), 2**31 - 1)
BIGINT = st.integers(-(2**63), 2**63 - 1)


def of(values: list[int]) -> Moments:
    return dict(to_pairs(moments_of(rows([("board", 1, value) for value in values]))))[Pair(b"board", 1)]


def rows(readings: list[tuple]) -> pa.Table:
    device, sensor, data = zip(*readings, strict=True) if readings else ((), (), ())
    return pa.table(
        {
            "device": pa.array(device, pa.string()),
            "sensor": pa.array(sensor, pa.int64()),
            "data": pa.array(data, pa.int64()),
        }
    )


@given(st.lists(INT | BIGINT, min_size=1, max_size=50))
def test_moments_are_those_of_python_s_own_integers(values):
    squares = sum(value * value for value in values)
    assert of(values) == Moments(len(values), sum(values), squares, min(values), max(values))


@given(st.lists(INT, min_size=1), st.lists(INT, min_size=1), st.lists(INT, min_size=1))
def test_merging_is_associative_and_commutative_to_the_last_bit(a, b, c):
    assert (of(a) + of(b)) + of(c) == of(c) + (of(b) + of(a)) == of(a + b + c)


@given(st.lists(INT, min_size=2))
def test_mean_and_deviation_are_those_of_the_statistics_module(values):
    found = of(values)
    assert found.mean == float(Fraction(sum(values), len(values)))
    assert found.deviation == statistics.stdev(map(Fraction, values))


@pytest.mark.parametrize(
    "values",
    [
        [2**31 - 1, 2**31 - 2] * 1000,
        [2**31 - 1] * 9_999 + [2**31 - 2],
        [-(2**31), 2**31 - 1],
        [2**63 - 1, 2**63 - 2, 2**63 - 3],
        [7] * 1000,
    ],
    ids=["near 2^31", "one differs", "far apart", "near 2^63", "constant"],
)
def test_nothing_cancels_in_values_that_are_large_and_close_together(values):
    found = of(values)
    assert found.deviation == statistics.stdev(map(Fraction, values))
    squared = statistics.variance(map(Fraction, values)) / len(values)
    assert found.error == root(squared.numerator, squared.denominator)


def test_a_single_reading_has_neither_deviation_nor_error():
    assert (of([41]).mean, of([41]).deviation, of([41]).error) == (41.0, 0.0, 0.0)


@given(st.integers(0, 2**200), st.integers(1, 2**200))
def test_a_root_is_the_float_that_is_nearest_to_it(numerator, denominator):
    found, exact = root(numerator, denominator), Fraction(numerator, denominator)
    below, above = (Fraction(found) + Fraction(statistics.math.ulp(found)) * half / 2 for half in (-1, 1))
    assert max(below, 0) ** 2 <= exact <= above**2


def test_millions_of_identical_readings_stay_exact_beyond_64_bits():
    number, value = 3_000_000, -(2**31)
    devices = pa.repeat("board", number).dictionary_encode()
    table = pa.table([devices, pa.repeat(1, number), pa.repeat(value, number)], ["device", "sensor", "data"])
    found = dict(to_pairs(moments_of(table)))[Pair(b"board", 1)]
    assert found == Moments(number, number * value, number * value**2, value, value)
    assert found.sum_x2 > 2**64
    assert (found.mean, found.deviation, found.error) == (value, 0.0, 0.0)


def test_devices_are_told_apart_by_bytes_and_readings_without_a_sensor_or_a_value_are_left_out():
    readings = [("ab", 1, 5), ("AB", 1, 6), ("ab ", 1, 7), ("ab", 2, 8), ("ab", None, 9), (None, 1, 9), ("ab", 1, None)]
    assert [(pair, moments.sum_x) for pair, moments in to_pairs(moments_of(rows(readings)))] == [
        (Pair(b"AB", 1), 6),
        (Pair(b"ab", 1), 5),
        (Pair(b"ab", 2), 8),
        (Pair(b"ab ", 1), 7),
    ]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "ção"]), st.integers(-2, 2), INT)), st.integers(0, 20))
def test_the_moments_of_parts_are_those_of_the_whole(readings, cut):
    parts = [moments_of(rows(readings[:cut])), moments_of(rows(readings[cut:]))]
    whole = moments_of(rows(readings))
    assert list(to_pairs(merged(parts))) == list(to_pairs(whole))
    assert merged(parts).schema == whole.schema == SCHEMA
