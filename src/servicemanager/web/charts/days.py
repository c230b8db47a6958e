"""What is written below an axis of time: hours, days, months or years, as they begin in a zone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from servicemanager.web.charts.scale import Across, Tick

#: More labels than these do not fit beside each other, on a wide screen and on a phone.
MOST = 12
_MOST_NARROW = 6
_MONTHS = 12


class Step(Enum):
    """How far labels are apart: hours, days or months."""

    HOUR = ("hours", 1)
    HOURS_3 = ("hours", 3)
    HOURS_6 = ("hours", 6)
    DAY = ("days", 1)
    DAYS_2 = ("days", 2)
    WEEK = ("days", 7)
    WEEKS_2 = ("days", 14)
    MONTH = ("months", 1)
    MONTHS_3 = ("months", 3)
    MONTHS_6 = ("months", 6)
    YEAR = ("months", 12)
    YEARS_2 = ("months", 24)
    YEARS_5 = ("months", 60)
    YEARS_20 = ("months", 240)

    @property
    def unit(self) -> str:
        return self.value[0]

    @property
    def size(self) -> int:
        return self.value[1]


_LENGTH = {"hours": timedelta(hours=1), "days": timedelta(days=1), "months": timedelta(days=30.4)}


def step_for(span: timedelta) -> Step:
    """The smallest by which the labels fit."""
    return next((step for step in Step if span <= _LENGTH[step.unit] * step.size * MOST), Step.YEARS_20)


def ticks(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[Tick, ...]:
    """Of the instants from `start` to `end`, placed by elapsed time: a day of a change of clocks is 23 or 25 hours."""
    across = Across(start.timestamp(), end.timestamp())
    step = step_for(end - start)
    marks = [(across.percent(at.timestamp()), _label(at, step)) for at in _beginnings(start, end, step, zone)]
    return _thinned(marks)


def day_ticks(first: date, last: date) -> tuple[Tick, ...]:
    """Of an axis on which every day is equally wide; a label stands below the middle of its day."""
    across = Across(first.toordinal() - 0.5, last.toordinal() + 0.5)
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last))
    step = max(Step.DAY, step_for(end - start), key=list(Step).index)
    marks = [
        (across.percent(at.toordinal()), _label(at, step)) for at in _beginnings(start, end, step, ZoneInfo("UTC"))
    ]
    return _thinned(marks)


def _beginnings(start: datetime, end: datetime, step: Step, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants at which steps begin by the zone's clock, with that clock's reading."""
    at = _floor(start.astimezone(zone), step)
    while (instant := at.astimezone(UTC)) <= end:
        if instant >= start:
            yield instant.astimezone(zone)
        at = _next(at, step)


def _floor(at: datetime, step: Step) -> datetime:
    midnight = datetime.combine(at.date(), time(), at.tzinfo)
    if step.unit == "hours":
        return midnight.replace(hour=at.hour // step.size * step.size)
    if step.unit == "days":
        return midnight - timedelta(days=at.toordinal() % step.size)
    months = (at.year * _MONTHS + at.month - 1) // step.size * step.size
    return midnight.replace(year=max(1, months // _MONTHS), month=months % _MONTHS + 1, day=1)


def _next(at: datetime, step: Step) -> datetime:
    """By the zone's clock, not by elapsed time."""
    if step.unit != "months":
        return at + timedelta(**{step.unit: step.size})
    months = at.year * _MONTHS + at.month - 1 + step.size
    return at.replace(year=months // _MONTHS, month=months % _MONTHS + 1)


def _label(at: datetime, step: Step) -> str:
    if step.unit == "hours" and (at.hour or at.minute):
        return f"{at:%H:%M}"
    if step.unit != "months":
        return f"{at.day} {at:%b}"
    return f"{at:%Y}" if step.size >= _MONTHS else f"{at:%b %Y}"


def _thinned(marks: Sequence[tuple[float, str]]) -> tuple[Tick, ...]:
    """Where all would not fit on a phone, each second one, third one and so on is kept there."""
    keep = -(-len(marks) // _MOST_NARROW)
    return tuple(Tick(round(at, 2), label, bool(index % keep)) for index, (at, label) in enumerate(marks))
