"""CRC-32 put together from pieces is the one that zlib computes of the whole."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servicemanager.iotdb import crc
from servicemanager.iotdb.row_text import row_hashes, row_texts
from support.iotdb import MIDNIGHT, reading
from support.rows import LONG_MAX, LONG_MIN, moment, tables_of, to_table

numbers = st.integers(LONG_MIN, LONG_MAX) | st.integers(0, 10**5) | st.integers(-(10**9), 10**9)
lists = st.lists(numbers, max_size=20)


@given(lists, st.binary(max_size=3))
@example([LONG_MIN, LONG_MAX, -1, 0, 9999, 10_000, -9999, -10_000, 10**8 - 1, 10**8, 10**16 - 1, 10**16], b";")
def test_decimals(values, before):
    found = crc.decimals(np.array(values, np.int64), before)
    texts = [before + str(value).encode() for value in values]
    assert found.crc.tolist() == [zlib.crc32(text) for text in texts]
    assert found.length.tolist() == [len(text) for text in texts]


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=3)), max_size=10))
def test_joined_texts(rows):
    columns = [crc.texts([row[i] for row in rows]) for i in range(3)]
    assert crc.joined(columns).crc.tolist() == [zlib.crc32(b"".join(row)) for row in rows]


@given(tables_of(st.integers(-(10**16), 10**16).map(moment), nullable=True, low=LONG_MIN, high=LONG_MAX))
def test_rows_are_hashed_as_their_texts_are(rows):
    table = to_table(rows)
    assert row_hashes(table).tolist() == [zlib.crc32(text.encode()) for text in row_texts(table).to_pylist()]


@pytest.mark.parametrize("spread", [1, 70, 5000])
def test_columns_that_are_hashed_together_and_those_that_are_not_give_the_same(spread):
    rows = [reading(MIDNIGHT, month=n % spread - 3, minute=n * 7 % spread, data=n % 3) for n in range(200)]
    table = to_table(rows)
    assert row_hashes(table).tolist() == [zlib.crc32(text.encode()) for text in row_texts(table).to_pylist()]
