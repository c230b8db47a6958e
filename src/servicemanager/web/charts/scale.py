"""Scales: where a value is drawn, and which round values are written beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: How wide a drawing is, before it is stretched.
WIDTH = 1000.0
#: Room above the highest mark, and below the lowest, so that no line is cut in half.
MARGIN = 4.0
_STEPS = (1, 2, 2.5, 5, 10)
_UNITS = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))
#: From here on it says thousands; below, the digits fit.
_SHORT = 10_000


@dataclass(frozen=True, slots=True)
class Tick:
    """A label beside an axis; `at` is percent of the width, or pixels from the top. Narrow screens hide minor ones."""

    at: float
    label: str
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Across:
    """From a first to a last value, of whatever unit."""

    first: float
    last: float

    def at(self, value: float) -> float:
        """0 to 1000; what lies outside is drawn at the edge. A single value is drawn in the middle."""
        span = self.last - self.first
        share = (value - self.first) / span if span > 0 else 0.5
        return WIDTH * min(1.0, max(0.0, share))

    def percent(self, value: float) -> float:
        return self.at(value) * 100 / WIDTH


@dataclass(frozen=True, slots=True)
class Upward:
    """Values from `least` to `greatest`, which differ, over `height` pixels."""

    least: float
    greatest: float
    height: float

    def at(self, value: float) -> float:
        """Pixels from the top; what lies outside is drawn at the edge."""
        share = (value - self.least) / (self.greatest - self.least)
        room = self.height - 2 * MARGIN
        return MARGIN + room * (1 - min(1.0, max(0.0, share)))

    def ticks(self, about: int = 4) -> tuple[Tick, ...]:
        """At round values, the lowest first."""
        step = round_step(self.greatest - self.least, about)
        values = _multiples(self.least, self.greatest, step)
        return tuple(Tick(round(self.at(value), 1), compact(value)) for value in values)


def upward(values: Sequence[float], height: float, *, from_zero: bool = False) -> Upward:
    """A scale that ends at round values and holds all of `values`; one value, or none, gets room around it."""
    least, greatest = min(values, default=0.0), max(values, default=0.0)
    if from_zero:
        least, greatest = min(0.0, least), max(0.0, greatest)
    if least == greatest:
        pad = max(1.0, abs(least) * 0.1)
        least, greatest = (least if from_zero else least - pad), greatest + pad
    step = round_step(greatest - least, 4)
    return Upward(math.floor(least / step) * step, math.ceil(greatest / step) * step, height)


def round_step(span: float, about: int) -> float:
    """The round number by which `about` steps, or a few less, cover the span: 1, 2, 2.5 or 5 times a power of ten."""
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def _multiples(least: float, greatest: float, step: float) -> Iterator[float]:
    first = math.ceil(least / step - 1e-9)
    last = math.floor(greatest / step + 1e-9)
    yield from (number * step for number in range(first, last + 1))


def compact(value: float) -> str:
    """For an axis, and exact, as neighbours must differ: '0', '0.25', '950', '12 k', '1.5 M'."""
    for size, unit in _UNITS:
        if abs(value) >= size and abs(value) >= _SHORT:
            return f"{value / size:.10g}{unit}".replace(" ", "\u00a0")
    return f"{value:.10g}"
