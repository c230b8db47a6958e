"""Moments of readings: exact integers, from which mean, deviation and standard error follow with one rounding.

Merging moments is adding integers, so it is associative and commutative to the last bit: it does not matter
how often and in which order the readings of a sensor were parted. A device is its UTF-8 bytes: names that
differ only in case or in trailing blanks are two devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

#: Twice the precision of a float, and some: a quotient with so many bits can be rounded once more, rightly.
_BITS = 109


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
