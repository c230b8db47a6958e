"""Rows of Facts as hypothesis draws them: whatever a column may legally hold, and often twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

import pyarrow as pa
from hypothesis import strategies as st

from servicemanager.iotdb.columns import COLUMNS, INTEGERS, STORED, STRINGS
from servicemanager.iotdb.reader import READ_SCHEMA

EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
SECOND_US = 1_000_000

WIDTHS = {"channel": 50, "device_group": 20, "device": 20}
#: Texts that look like pieces of a row's text, or that have broken others.
ODD_TEXTS = [
    "",
    " ",
    "N",
    "0",
    ";",
    "1:a",
    "1:a;1:b",
    "a;b",
    "a'b\"c\\",
    "%s{}:x",
    "nul\0",
    "\r\n",
    "é",
    "😀",
    "AB",
    "ab",
]
INT_MIN, INT_MAX = -(2**31), 2**31 - 1
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1


def texts(width: int) -> st.SearchStrategy[str]:
    """Anything that UTF-8 can write, at most `width` characters."""
    return st.sampled_from(ODD_TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=width)


def integers(low: int = INT_MIN, high: int = INT_MAX) -> st.SearchStrategy[int]:
    """A small number, an end of the range, or any."""
    return st.sampled_from([0, 1, -1, low, high]) | st.integers(low, high)


def values(name: str, *, nullable: bool = False, low: int = INT_MIN, high: int = INT_MAX) -> st.SearchStrategy:
    """Values of the column `name`."""
    drawn = texts(WIDTHS[name]) if name in STRINGS else integers(low, high)
    return st.none() | drawn if nullable else drawn


def contents(**options) -> st.SearchStrategy[tuple]:
    """The twelve columns of a row."""
    return st.tuples(*(values(name, **options) for name in COLUMNS))


def tables_of(arrivals: st.SearchStrategy[datetime], *, max_size: int = 12, **options) -> st.SearchStrategy[list]:
    """Rows that arrived at `arrivals`, exact duplicates among them."""
    rows = st.builds(lambda content, arrival: (*content, arrival), contents(**options), arrivals)
    repeats = st.lists(st.integers(0, max_size), max_size=3)
    return st.builds(
        lambda drawn, again: drawn + [drawn[i] for i in again if i < len(drawn)],
        st.lists(rows, max_size=max_size),
        repeats,
    )


def micros(stored: datetime) -> int:
    """Microseconds since 1970 of a stored time."""
    return (stored - EPOCH) // MICROSECOND


def moment(stored_us: int) -> datetime:
    """The reverse of `micros`."""
    return EPOCH + timedelta(microseconds=stored_us)


def to_table(rows: Iterable[tuple]) -> pa.Table:
    """Rows with a naive arrival as `Facts.read` gives them."""
    rows = [(*row[:12], micros(row[12])) for row in rows]
    columns = list(zip(*rows, strict=True)) or [()] * 13
    return pa.table(dict(zip([*COLUMNS, STORED], map(list, columns), strict=True)), schema=READ_SCHEMA)


def to_rows(table: pa.Table) -> list[tuple]:
    """The reverse of `to_table`."""
    columns = [table.column(name).to_pylist() for name in (*COLUMNS, STORED)]
    return [(*row[:12], moment(row[12])) for row in zip(*columns, strict=True)]


def multiset(table: pa.Table) -> Counter:
    return Counter(to_rows(table))


__all__ = ["COLUMNS", "INTEGERS", "STRINGS"]
