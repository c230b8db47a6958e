"""Fingerprints notice whatever could go wrong between a table and a file, and are what their definition says."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from datetime import timedelta
from itertools import combinations, groupby
from random import Random

import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from servicemanager.iotdb.columns import COLUMNS, INTEGERS, STORED, STRINGS
from servicemanager.iotdb.fingerprint import EMPTY, Fingerprint, bound_of, fingerprint_rows, fingerprint_slices, total
from servicemanager.iotdb.row_text import row_texts
from support.iotdb import MIDNIGHT, reading
from support.rows import LONG_MAX, LONG_MIN, SECOND_US, contents, micros, moment, tables_of, to_table, values

#: Before and after 1970, whole seconds and not.
arrivals = st.integers(-3 * SECOND_US, 3 * SECOND_US).map(moment) | st.sampled_from([MIDNIGHT, moment(-(10**16))])
tables = tables_of(arrivals, nullable=True, low=LONG_MIN, high=LONG_MAX)
filled = tables.filter(bool)


def fingerprint(rows) -> Fingerprint:
    return fingerprint_rows(to_table(rows))


def texts_of(rows) -> list[str]:
    return row_texts(to_table(rows)).to_pylist()


# -- The definition, written a second time and as slowly as it reads --------------------------------------------


def slow_number(name: str, value) -> int:
    return zlib.crc32(value.encode()) if name in STRINGS else value


def slow_seconds(stored) -> int:
    return micros(stored) // SECOND_US


def slow_text(row) -> str:
    by_name = dict(zip([*COLUMNS, STORED], [*row[:12], micros(row[12])], strict=True))
    strings = [by_name[name] for name in STRINGS]
    lengths = [None if string is None else len(string.encode()) for string in strings]
    numbers = [*lengths, *(by_name[name] for name in (*INTEGERS, STORED))]
    return ";".join([string or "" for string in strings] + ["N" if n is None else str(n) for n in numbers])


def slow_hash(row) -> int:
    inner = zlib.crc32(slow_text(row).encode())
    return zlib.crc32(str(inner).encode())


def slow_fingerprint(rows) -> Fingerprint:
    columns = []
    for name in (*STRINGS, *INTEGERS):
        present = [row[COLUMNS.index(name)] for row in rows]
        columns.append([slow_number(name, value) for value in present if value is not None])
    columns.append([slow_seconds(row[12]) for row in rows])
    bound = sum(slow_hash(row) for row in rows)
    return Fingerprint(len(rows), tuple(map(len, columns)), tuple(map(sum, columns)), bound)


@given(tables)
def test_it_is_what_its_definition_says(rows):
    assert fingerprint(rows) == slow_fingerprint(rows)


@given(filled)
def test_rows_are_bound_by_the_text_that_the_database_writes_too(rows):
    assert texts_of(rows) == [slow_text(row) for row in rows]


# -- What does not matter ---------------------------------------------------------------------------------------


@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert fingerprint(shuffled) == fingerprint(rows)


@settings(max_examples=40)
@given(tables, tables, tables)
def test_fingerprints_of_disjoint_rows_add_up(a, b, c):
    assert fingerprint(a) + fingerprint(b) == fingerprint(b) + fingerprint(a) == fingerprint(a + b)
    assert total([fingerprint(a), fingerprint(b), fingerprint(c)]) == fingerprint(a + b + c)
    assert fingerprint(a) + EMPTY == fingerprint(a)


@settings(max_examples=40)
@given(tables, tables, st.integers(0, 12), st.integers(0, 12))
def test_how_the_rows_lie_in_memory_does_not_matter(a, b, start, length):
    whole = pa.concat_tables([to_table(a), to_table(b), to_table([])])
    assert fingerprint_rows(whole.slice(start, length)) == fingerprint((a + b)[start : start + length])
    assert fingerprint_rows(whole.combine_chunks().slice(start)) == fingerprint((a + b)[start:])


@given(tables, st.lists(arrivals.map(micros), max_size=4, unique=True).map(sorted))
def test_slices_sum_up_to_the_whole_and_hold_what_lies_between_their_cuts(rows, cuts):
    sliced = fingerprint_slices(to_table(rows), cuts)
    assert total(sliced) == fingerprint(rows)
    edges = [-(2**62), *cuts, 2**62]
    for i, found in enumerate(sliced):
        assert found == fingerprint([row for row in rows if edges[i] <= micros(row[12]) < edges[i + 1]])
    assert len(sliced) == len(cuts) + 1


def test_no_rows_are_empty():
    assert fingerprint([]) == EMPTY == total([])
    assert fingerprint_slices(to_table([]), [0, 5]) == [EMPTY] * 3


def test_sums_are_exact_beyond_64_bits():
    found = fingerprint([reading(data=LONG_MAX, sensor=LONG_MIN)] * 5)
    sums = dict(zip((*STRINGS, *INTEGERS), found.sums, strict=False))
    assert (sums["data"], sums["sensor"]) == (5 * LONG_MAX, 5 * LONG_MIN)


# -- What must be noticed ---------------------------------------------------------------------------------------


def changed(row, name, value):
    place = [*COLUMNS, STORED].index(name)
    return (*row[:place], value, *row[place + 1 :])


@given(filled, st.data())
def test_any_single_changed_value_is_noticed(rows, data):
    number, name = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from(COLUMNS))
    value = data.draw(values(name, nullable=True, low=LONG_MIN, high=LONG_MAX))
    other = [*rows[:number], changed(rows[number], name, value), *rows[number + 1 :]]
    assert (fingerprint(other) == fingerprint(rows)) == (other == rows)


@given(filled, st.data())
def test_any_changed_time_is_noticed_to_the_microsecond(rows, data):
    number, value = data.draw(st.integers(0, len(rows) - 1)), data.draw(arrivals)
    other = [*rows[:number], (*rows[number][:12], value), *rows[number + 1 :]]
    assert (fingerprint(other) == fingerprint(rows)) == (other == rows)


@given(filled, st.data())
def test_a_row_that_is_doubled_or_gone_is_noticed(rows, data):
    row = data.draw(st.sampled_from(rows))
    without = list(rows)
    without.remove(row)
    assert len({fingerprint(rows).to_json(), fingerprint([*rows, row]).to_json(), fingerprint(without).to_json()}) == 3


@given(filled, contents(nullable=True))
def test_a_row_in_the_place_of_another_is_noticed(rows, content):
    other = [(*content, rows[0][12]), *rows[1:]]
    assert (fingerprint(other) == fingerprint(rows)) == (other == rows)


def exchanged(a: dict, b: dict, name: str) -> tuple[list, list]:
    """Two readings, and the same two after they have exchanged the value of `name`."""
    x, y = {**a, name: b[name]}, {**b, name: a[name]}
    return [reading(**a), reading(**b)], [reading(**x), reading(**y)]


def pairs_of_readings(kind: str, number: int):
    """As a fleet sends them, each of one length, exchanging one value; the same in every run."""
    random = Random(kind)  # noqa: S311
    for _ in range(number):
        boards = [":".join(f"{random.randrange(256):02X}" for _ in range(6)) for _ in "ab"]
        seconds, values = random.sample(range(10_000, 86_400), 2), random.sample(range(100, 1000), 2)
        arrivals = [MIDNIGHT + timedelta(seconds=second) for second in seconds]
        if kind == "data of two boards":
            yield exchanged(*({"device": boards[i], "data": values[i]} for i in (0, 1)), "data")
        elif kind == "data of one board":
            yield exchanged(*({"arrival": arrivals[i], "data": values[i]} for i in (0, 1)), "data")
        else:
            yield exchanged(*({"device": boards[i], "sensor": values[i]} for i in (0, 1)), "sensor")


def bounds(pairs) -> list[int]:
    return bound_of(to_table([row for pair in pairs for row in pair])).reshape(-1, 2).sum(axis=1).tolist()


@pytest.mark.parametrize("kind", ["data of two boards", "data of one board", "sensor of two boards"])
def test_two_values_that_change_places_between_rows_are_noticed(kind):
    """CRC-32 is linear: where two rows exchange a value, no sum of such may stay the same for that."""
    unnoticed = []
    for _, some in groupby(enumerate(pairs_of_readings(kind, 20_000)), key=lambda item: item[0] // 500):
        before, after = zip(*(pair for _, pair in some), strict=True)
        found = zip(before, bounds(before), bounds(after), strict=True)
        unnoticed += [pair for pair, one, other in found if one == other]
    assert unnoticed == []


@given(filled, st.data())
def test_columns_that_change_places_between_rows_are_noticed(rows, data):
    """Whole columns moved on by a row, as a decoder that has lost its place would."""
    name = data.draw(st.sampled_from(COLUMNS))
    place = COLUMNS.index(name)
    other = [changed(row, name, rows[i - 1][place]) for i, row in enumerate(rows)]
    assume(Counter(other) != Counter(rows))
    assert fingerprint(other) != fingerprint(rows)


@pytest.mark.parametrize("name", COLUMNS)
def test_null_and_zero_and_nothing_are_told_apart(name):
    kinds = [None, "", "0", "N", "NULL"] if name in STRINGS else [None, 0, -1]
    assert len({fingerprint([changed(reading(), name, value)]) for value in kinds}) == len(kinds)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"channel": "ab", "device_group": "c"}, {"channel": "a", "device_group": "bc"}),
        ({"channel": "a", "device_group": ""}, {"channel": "", "device_group": "a"}),
        ({"channel": "a;1:b", "device_group": "c"}, {"channel": "a", "device_group": "b;1:c"}),
        ({"year": 1, "month": 23}, {"year": 12, "month": 3}),
        ({"year": None, "month": 0}, {"year": 0, "month": None}),
        ({"device": "N"}, {"device": None}),
        ({"device": "1:é"}, {"device": "2:é"}),
    ],
)
def test_fields_do_not_flow_into_each_other(a, b):
    texts = texts_of([reading(**a), reading(**b)])
    assert texts[0] != texts[1]
    assert fingerprint([reading(**a)]) != fingerprint([reading(**b)])


@given(filled)
def test_only_equal_rows_have_equal_texts(rows):
    texts = texts_of(rows)
    for (i, a), (j, b) in combinations(enumerate(texts), 2):
        assert (a == b) == (rows[i] == rows[j])


# -- Written and read -------------------------------------------------------------------------------------------


@given(tables)
def test_it_comes_back_from_json_as_it_was(rows):
    found = fingerprint(rows)
    assert Fingerprint.from_json(found.to_json()) == found


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["rows", "counts", "sums", "bound"]), inner)
    ),
    max_leaves=8,
)


@given(json_values.map(json.dumps) | st.text(max_size=20))
@example('{"rows":Infinity,"counts":[],"sums":[],"bound":0}')
@example('{"rows":1,"counts":[1],"sums":[1],"bound":0}')
def test_what_is_no_fingerprint_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 -- of any wording
        Fingerprint.from_json(text)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ([reading()] * 2, "1 against 2 rows"),
        ([reading(data=43)], "the values of data"),
        ([reading(device="x", sensor=None)], "the values of device, sensor"),
        ([reading(MIDNIGHT, year=2027)], "the values of year"),
    ],
)
def test_it_says_where_two_disagree(other, words):
    assert fingerprint([reading()]).difference(fingerprint(other)) == words


def test_it_says_that_values_stand_in_other_rows():
    a = fingerprint([reading(device="a", data=1), reading(device="b", data=2)])
    b = fingerprint([reading(device="a", data=2), reading(device="b", data=1)])
    assert a.difference(b) == "which values stand in one row"
