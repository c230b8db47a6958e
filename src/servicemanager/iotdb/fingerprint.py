"""Fingerprints of readings: what database and archive, each counting for itself, must agree on.

A fingerprint holds the number of rows; for each column the number of values that are not NULL and
their sum (integers as they are, times as epoch seconds, strings by the CRC-32 of their UTF-8 bytes);
and `bound`, which binds a row together so that values that change places between rows are noticed.
It is the sum of the CRC-32 of the decimal digits of the CRC-32 of a row's text. The inner one alone would
let an exchange of values pass once in ten thousand times: CRC-32 is linear, its digits are not.
Fingerprints of disjoint rows add up.

The archive's side is computed here, from decoded values; the database's side in SQL (`facts`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from servicemanager.iotdb import crc
from servicemanager.iotdb.columns import INTEGERS, STORED, STRINGS
from servicemanager.iotdb.row_text import encoded, filled, places, row_hashes

MICRO = 1_000_000
_HALF = 32
#: As many of these as a chunk has rows add up to less than 2^63.
_GREAT = 1 << 46
#: Rows whose texts are in memory at once.
_CHUNK_ROWS = 65_536
_LOW = (1 << _HALF) - 1

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fingerprint:
    """Exact integers throughout; see the module's docstring for their meaning.

    `counts` and `sums` follow STRINGS, INTEGERS and then the time.
    """

    rows: int
    counts: tuple[int, ...]
    sums: tuple[int, ...]
    bound: int

    def __add__(self, other: Fingerprint) -> Fingerprint:
        return Fingerprint(
            self.rows + other.rows,
            tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            self.bound + other.bound,
        )

    def to_json(self) -> str:
        value = {"rows": self.rows, "counts": self.counts, "sums": self.sums, "bound": self.bound}
        return json.dumps(value, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Fingerprint:
        """Raises ValueError for anything but what `to_json` wrote."""
        try:
            value = json.loads(text)
            found = cls(value["rows"], tuple(value["counts"]), tuple(value["sums"]), value["bound"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a fingerprint: {text[:80]}") from error
        numbers = (found.rows, *found.counts, *found.sums, found.bound)
        if len(found.counts) != _WIDTH or len(found.sums) != _WIDTH or any(type(n) is not int for n in numbers):
            raise ValueError(f"not a fingerprint: {text[:80]}")
        return found

    @property
    def count(self) -> Count:
        return Count(self.rows, self.bound)

    def difference(self, other: Fingerprint) -> str:
        """In words, where two fingerprints disagree: for messages."""
        if self.rows != other.rows:
            return f"{self.rows} against {other.rows} rows"
        names = (*STRINGS, *INTEGERS, "creationDate")
        pairs = zip(names, self.counts, other.counts, self.sums, other.sums, strict=True)
        differing = [name for name, n, m, a, b in pairs if (n, a) != (m, b)]
        return f"the values of {', '.join(differing)}" if differing else "which values stand in one row"


@dataclass(frozen=True)
class Count:
    """The part of a fingerprint in which every field of every row has its share, and that a server tells soonest."""

    rows: int
    bound: int

    def __add__(self, other: Count) -> Count:
        return Count(self.rows + other.rows, self.bound + other.bound)

    def difference(self, other: Count) -> str:
        """In words, where two counts disagree: for messages."""
        return f"{self.rows} against {other.rows} rows" if self.rows != other.rows else "the values of their rows"


_WIDTH = len(STRINGS) + len(INTEGERS) + 1
EMPTY = Fingerprint(0, (0,) * _WIDTH, (0,) * _WIDTH, 0)


def total(fingerprints: Iterable[Fingerprint]) -> Fingerprint:
    return sum(fingerprints, start=EMPTY)


def fingerprint_rows(rows: pa.Table) -> Fingerprint:
    """Of a table with COLUMNS and STORED."""
    return fingerprint_slices(rows, ())[0]


def fingerprint_slices(rows: pa.Table, cuts: Sequence[int]) -> list[Fingerprint]:
    """One fingerprint for each slice between the ascending `cuts` (microseconds, as STORED)."""
    found = [EMPTY] * (len(cuts) + 1)
    for start in range(0, rows.num_rows, _CHUNK_ROWS):
        chunk = _fingerprint_chunk(rows.slice(start, _CHUNK_ROWS), cuts)
        found = [before + more for before, more in zip(found, chunk, strict=True)]
    return found


def _fingerprint_chunk(rows: pa.Table, cuts: Sequence[int]) -> list[Fingerprint]:
    stored = rows.column(STORED).to_numpy()
    parted = _Parted.of(np.searchsorted(np.asarray(cuts, dtype=np.int64), stored, side="right"))
    lengths = np.diff(np.append(parted.starts, len(stored))).tolist()
    columns = [_by_slice(values, valid, parted, lengths) for values, valid in _numbers(rows, stored)]
    bound = parted.sums(bound_of(rows))
    found = [EMPTY] * (len(cuts) + 1)
    for at, number in enumerate(parted.slices):
        counts, sums = (tuple(each[at] for each in half) for half in zip(*columns, strict=True))
        found[number] = Fingerprint(lengths[at], counts, sums, bound[at])
    return found


def bound_of(rows: pa.Table) -> Ints:
    """What each row adds to `bound`."""
    return crc.decimals(row_hashes(rows).astype(np.int64)).crc.astype(np.int64)


@dataclass(frozen=True)
class _Parted:
    """Rows by slice: they mostly come so, because they are read in the order of their arrival."""

    #: The slices that have rows, and where the rows of each begin.
    slices: list[int]
    starts: npt.NDArray[np.intp]
    #: Brings the rows into the order of the slices; None where they are.
    order: npt.NDArray[np.intp] | None

    @classmethod
    def of(cls, where: npt.NDArray[np.intp]) -> _Parted:
        order = None if (where[1:] >= where[:-1]).all() else np.argsort(where, kind="stable")
        where = where if order is None else where[order]
        starts = np.flatnonzero(np.append(True, where[1:] != where[:-1]))
        return cls(where[starts].tolist(), starts, order)

    def sums(self, values: Ints) -> list[int]:
        """Exact: the halves of great values are added apart, so that no total can overflow."""
        values = values if self.order is None else values[self.order]
        if int(values.min()) > -_GREAT and int(values.max()) < _GREAT:
            return np.add.reduceat(values, self.starts).tolist()
        low, high = (np.add.reduceat(half, self.starts).tolist() for half in (values & _LOW, values >> _HALF))
        return [(upper << _HALF) + lower for upper, lower in zip(high, low, strict=True)]


def _numbers(rows: pa.Table, stored: Ints) -> Iterable[tuple[Ints, npt.NDArray[np.bool_] | None]]:
    """Zero where a value is NULL, and where none is; None where all are values."""
    for name in STRINGS:
        yield _string_hashes(rows.column(name)), _valid(rows.column(name))
    for name in INTEGERS:
        yield filled(rows.column(name), 0), _valid(rows.column(name))
    yield stored // MICRO, None


def _by_slice(
    values: Ints, valid: npt.NDArray[np.bool_] | None, parted: _Parted, lengths: list[int]
) -> tuple[list[int], list[int]]:
    return lengths if valid is None else parted.sums(valid.astype(np.int64)), parted.sums(values)


def _valid(column: pa.ChunkedArray) -> npt.NDArray[np.bool_] | None:
    return np.asarray(column.is_valid().to_numpy(), dtype=np.bool_) if column.null_count else None


def _string_hashes(column: pa.ChunkedArray) -> Ints:
    """CRC-32 of each string's bytes, 0 for NULL; each distinct string is hashed once."""
    whole = encoded(column)
    hashes = crc.texts([text.encode() for text in whole.dictionary.to_pylist()]).crc
    return np.append(hashes.astype(np.int64), 0)[places(whole)]
