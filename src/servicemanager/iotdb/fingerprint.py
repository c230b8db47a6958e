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
import pyarrow.compute as pc

from servicemanager.iotdb import crc
from servicemanager.iotdb.columns import INTEGERS, STORED, STRINGS
from servicemanager.iotdb.row_text import encoded, places, row_hashes

MICRO = 1_000_000
_HALF = 32
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
    slices = len(cuts) + 1
    stored = rows.column(STORED).to_numpy()
    where = np.searchsorted(np.asarray(cuts, dtype=np.int64), stored, side="right")
    lengths = np.bincount(where, minlength=slices)
    columns = [_by_slice(values, valid, where, slices) for values, valid in _numbers(rows, stored)]
    bound = _bound(rows, where, slices)
    return [
        Fingerprint(
            int(lengths[i]),
            tuple(counts[i] for counts, _ in columns),
            tuple(sums[i] for _, sums in columns),
            bound[i],
        )
        for i in range(slices)
    ]


def _bound(rows: pa.Table, where: npt.NDArray[np.intp], slices: int) -> list[int]:
    return _sums(crc.decimals(row_hashes(rows).astype(np.int64)).crc.astype(np.int64), where, slices)


def _numbers(rows: pa.Table, stored: Ints) -> Iterable[tuple[Ints, npt.NDArray[np.bool_]]]:
    for name in STRINGS:
        yield _string_hashes(rows.column(name)), _valid(rows.column(name))
    for name in INTEGERS:
        yield pc.fill_null(rows.column(name), 0).to_numpy(), _valid(rows.column(name))
    yield stored // MICRO, np.ones(len(stored), np.bool_)


def _by_slice(
    values: Ints, valid: npt.NDArray[np.bool_], where: npt.NDArray[np.intp], slices: int
) -> tuple[list[int], list[int]]:
    if not valid.all():
        values, where = values[valid], where[valid]
    return np.bincount(where, minlength=slices).tolist(), _sums(values, where, slices)


def _sums(values: Ints, where: npt.NDArray[np.intp], slices: int) -> list[int]:
    """Exact sums: the halves of 64-bit values are added apart, so that no total can overflow.

    Weights are floating point, and exact, for a chunk's sum of halves stays far below 2^53.
    """
    low, high = (np.bincount(where, half, slices) for half in (values & _LOW, values >> _HALF))
    return [(int(upper) << _HALF) + int(lower) for upper, lower in zip(high, low, strict=True)]


def _valid(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(column.is_valid().to_numpy(), dtype=np.bool_)


def _string_hashes(column: pa.ChunkedArray) -> Ints:
    """CRC-32 of each string's bytes, 0 for NULL; each distinct string is hashed once."""
    whole = encoded(column)
    hashes = crc.texts([text.encode() for text in whole.dictionary.to_pylist()]).crc
    return np.append(hashes.astype(np.int64), 0)[places(whole)]
