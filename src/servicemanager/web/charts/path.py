"""What stands in the attribute `d` of an SVG path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Point = tuple[float, float]


def number(value: float) -> str:
    """One digit after the point is a tenth of a pixel, and keeps pages small."""
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def line(points: Iterable[Point]) -> str:
    """Straight from each point to the next; empty for none."""
    return "".join(f"{'L' if index else 'M'}{number(x)} {number(y)}" for index, (x, y) in enumerate(points))


def band(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    """What lies between two lines that go the same way."""
    return f"{line([*upper, *reversed(lower)])}Z" if upper and lower else ""


def box(left: float, top: float, width: float, height: float) -> str:
    return f"M{number(left)} {number(top)}h{number(width)}v{number(height)}h{number(-width)}Z"
