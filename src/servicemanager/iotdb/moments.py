"""Moments of readings: exact integers, from which mean, deviation and standard error follow with one rounding.

Merging moments is adding integers, so it is associative and commutative to the last bit: it does not matter
how often and in which order the readings of a sensor were parted. A device is its UTF-8 bytes: names that
differ only in case or in trailing blanks are two devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from math import isqrt
from operator import and_
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from servicemanager.iotdb.row_text import encoded, places

_HALF = 32
_LOW = (1 << _HALF) - 1
#: Squares of numbers up to this one fit into 64 bits, and so does a sum of 2^32 of their halves.
_NARROW = 1 << 31
#: Twice the precision of a float, and some: a quotient with so many bits can be rounded once more, rightly.
_BITS = 109

_Ints = npt.NDArray[np.int64]


class Pair(NamedTuple):
    """A sensor of a device."""

    device: bytes
    sensor: int


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the values of at least one reading: how many, their sum, the sum of their squares, the least, the greatest."""

    n: int
    sum_x: int
    sum_x2: int
    min_x: int
    max_x: int

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.n + other.n,
            self.sum_x + other.sum_x,
            self.sum_x2 + other.sum_x2,
            min(self.min_x, other.min_x),
            max(self.max_x, other.max_x),
        )

    @property
    def mean(self) -> float:
        """Rounded once: Python divides integers exactly."""
        return self.sum_x / self.n

    @property
    def deviation(self) -> float:
        """The sample standard deviation, √((n·Σx² - (Σx)²) / (n·(n - 1))), rounded once; 0 of a single value.

        This "textbook" form is unusable in floating point, where the difference cancels (Chan, Golub and LeVeque,
        "Algorithms for Computing the Sample Variance", The American Statistician 37, 1983, equation 1.2); in
        integers it is exact.
        """
        return root(self._spread, self.n * (self.n - 1)) if self.n > 1 else 0.0

    @property
    def error(self) -> float:
        """The standard error of the mean, deviation / √n, rounded once; 0 of a single value."""
        return root(self._spread, self.n * self.n * (self.n - 1)) if self.n > 1 else 0.0

    @property
    def _spread(self) -> int:
        return self.n * self.sum_x2 - self.sum_x * self.sum_x


def root(numerator: int, denominator: int) -> float:
    """√(numerator / denominator), rounded once to the nearest float.

    The integer root of the quotient, scaled to twice a float's bits, is rounded to odd, which makes the second
    rounding harmless (Boldo and Melquiond, "Emulation of a FMA and Correctly Rounded Sums: Proved Algorithms
    Using Rounding to Odd", IEEE Transactions on Computers 57, 2008).
    """
    shift = (numerator.bit_length() - denominator.bit_length() - _BITS) // 2
    if shift >= 0:
        return float(_odd_root(numerator, denominator << 2 * shift) << shift)
    return _odd_root(numerator << -2 * shift, denominator) / (1 << -shift)


def _odd_root(numerator: int, denominator: int) -> int:
    """The integer root of the quotient; where it is not exact its last bit is set."""
    found = isqrt(numerator // denominator)
    return found | (found * found * denominator != numerator)


def merged(parts: Iterable[Mapping[Pair, Moments]]) -> dict[Pair, Moments]:
    """The moments of all parts together."""
    parts = iter(parts)
    found = dict(next(parts, {}))
    for part in parts:
        for pair, moments in part.items():
            before = found.get(pair)
            found[pair] = before + moments if before else moments
    return found


def moments_of(rows: pa.Table) -> dict[Pair, Moments]:
    """Of each pair in `rows`, which has the columns device, sensor and data; a row that lacks one of them is left out.

    The filter of the gateway looks pairs up by device and sensor, so a reading without one has no statistics.
    """
    rows = _complete(rows.select(("device", "sensor", "data")))
    if not rows.num_rows:
        return {}
    device, sensor = encoded(rows.column("device")), rows.column("sensor").to_numpy()
    codes = places(device)
    # In the order of the table that they will be added to, where a row is cheapest behind the last one.
    order = np.lexsort((sensor, pc.rank(device.dictionary, tiebreaker="dense").to_numpy()[codes]))
    codes, sensor, data = codes[order], sensor[order], rows.column("data").to_numpy()[order]
    starts = np.flatnonzero(np.append(True, (codes[1:] != codes[:-1]) | (sensor[1:] != sensor[:-1])))
    names = [name.encode() for name in device.dictionary.to_pylist()]
    pairs = (Pair(names[c], s) for c, s in zip(codes[starts].tolist(), sensor[starts].tolist(), strict=True))
    return dict(zip(pairs, _grouped(data, starts), strict=True))


def _complete(rows: pa.Table) -> pa.Table:
    columns = [column for column in rows.columns if column.null_count]
    return rows.filter(reduce(and_, (np.asarray(pc.is_valid(c)) for c in columns))) if columns else rows


def _grouped(data: _Ints, starts: npt.NDArray[np.intp]) -> Iterator[Moments]:
    """The moments of each stretch of `data` that begins at one of `starts`."""
    counts = np.diff(np.append(starts, len(data))).tolist()
    least, greatest = np.minimum.reduceat(data, starts).tolist(), np.maximum.reduceat(data, starts).tolist()
    sums, squares = _sums(data, starts, narrow=min(least) >= -_NARROW and max(greatest) <= _NARROW)
    yield from map(Moments, counts, sums, squares, least, greatest)


def _sums(data: _Ints, starts: npt.NDArray[np.intp], *, narrow: bool) -> tuple[list[int], list[int]]:
    """Σx and Σx² of each stretch. The halves of squares are summed apart, so that no total can overflow."""
    if not narrow:
        wide = data.astype(object)  # Python's own integers: slow, and only where a column is a BIGINT
        return np.add.reduceat(wide, starts).tolist(), np.add.reduceat(wide * wide, starts).tolist()
    squares = data * data
    low, high = (np.add.reduceat(half, starts).tolist() for half in (squares & _LOW, squares >> _HALF))
    return np.add.reduceat(data, starts).tolist(), [(up << _HALF) + down for up, down in zip(high, low, strict=True)]
