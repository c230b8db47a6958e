"""The readings of a small export."""

from __future__ import annotations

from datetime import timedelta

from .faults_export import Place
from .iotdb import Row, reading


def readings(place: Place, days_ago: int) -> list[Row]:
    """Ten, each twice, which makes three slices."""
    begin = place.midnight(days_ago)
    once = [reading(begin + timedelta(hours=n), device=f"board {n % 3}", sensor=n % 2, data=n) for n in range(10)]
    return once * 2


def late(place: Place, days_ago: int, hour: int = 5, number: int = 0) -> Row:
    """A reading that nobody has seen before, among the day's rows."""
    arrival = place.midnight(days_ago) + timedelta(hours=hour, seconds=number % 3600)
    return reading(arrival, device="a late board", data=number)
