"""A sensor's days: mean and deviation within the least and the greatest, and what the gateway would throw away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from servicemanager.web.charts import path
from servicemanager.web.charts.days import day_ticks
from servicemanager.web.charts.scale import WIDTH, Across, Tick, Upward, upward
from servicemanager.web.documents.devices import Sensor, SensorDay

_HEIGHT = 150.0
#: A limit that lies this many times the readings' own range above them would press them flat: it is told, not drawn.
_FAR = 3.0
#: Share of a day's width that stays free between days, while there are few.
_SPACING = 0.15
_FEW = 60


@dataclass(frozen=True, slots=True)
class Mark:
    """A day with readings above the limit, or a lonely day's mean; percent of the width, and pixels from the top."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Slice:
    """What is told while somebody points at a day; both places are percent of the width."""

    left: float
    width: float
    day: SensorDay
    above: bool


@dataclass(frozen=True, slots=True)
class Band:
    """The drawing; `limit` is pixels from the top, None where there is none or it is too far away."""

    height: float
    extremes: str
    deviation: str
    mean: str
    means: tuple[Mark, ...]
    limit: float | None
    #: What lies above the limit: a part of `extremes`.
    thrown: str
    above: tuple[Mark, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    slices: tuple[Slice, ...]

    @property
    def limit_is_far(self) -> bool:
        return self.limit is None


def band(sensor: Sensor) -> Band | None:
    """None where there are no readings."""
    days = sensor.days
    if not days:
        return None
    first, last = days[0].day, days[-1].day
    across = Across(first.toordinal() - 0.5, last.toordinal() + 0.5)
    limit = sensor.limit if sensor.limit is not None and _is_near(sensor.limit, days) else None
    scale = upward([*_range(days), *([limit] if limit is not None else [])], _HEIGHT)
    above = [_is_above(day, sensor.limit) for day in days]
    thrown = [
        (max(limit, day.least), day.greatest) if limit is not None and high else None
        for day, high in zip(days, above, strict=True)
    ]
    return Band(
        height=_HEIGHT,
        extremes=_boxes(days, [(day.least, day.greatest) for day in days], across, scale),
        deviation=_boxes(days, [(day.mean - day.deviation, day.mean + day.deviation) for day in days], across, scale),
        mean="".join(path.line([_place(day, across, scale) for day in run]) for run in _runs(days) if len(run) > 1),
        means=tuple(_mark(run[0], across, scale) for run in _runs(days) if len(run) == 1),
        limit=round(scale.at(limit), 1) if limit is not None else None,
        thrown=_boxes(days, thrown, across, scale),
        above=tuple(
            Mark(round(across.percent(day.day.toordinal()), 2), 0.0)
            for day, high in zip(days, above, strict=True)
            if high
        ),
        x_ticks=day_ticks(first, last),
        y_ticks=scale.ticks(),
        slices=tuple(_slice(day, high, across) for day, high in zip(days, above, strict=True)),
    )


def _range(days: Sequence[SensorDay]) -> tuple[float, float]:
    """Of what is drawn: a deviation may reach beyond the greatest reading."""
    return (
        min(min(day.least, day.mean - day.deviation) for day in days),
        max(max(day.greatest, day.mean + day.deviation) for day in days),
    )


def _is_near(limit: float, days: Sequence[SensorDay]) -> bool:
    least, greatest = _range(days)
    span = max(greatest - least, 1.0)
    return least - _FAR * span <= limit <= greatest + _FAR * span


def _is_above(day: SensorDay, limit: float | None) -> bool:
    return limit is not None and day.greatest > limit


def _runs(days: Sequence[SensorDay]) -> list[list[SensorDay]]:
    """The stretches in which every day has readings."""
    runs: list[list[SensorDay]] = []
    before: date | None = None
    for day in days:
        if before is None or (day.day - before).days > 1:
            runs.append([])
        runs[-1].append(day)
        before = day.day
    return runs


def _place(day: SensorDay, across: Across, scale: Upward) -> path.Point:
    return across.at(day.day.toordinal()), scale.at(day.mean)


def _mark(day: SensorDay, across: Across, scale: Upward) -> Mark:
    return Mark(round(across.percent(day.day.toordinal()), 2), round(scale.at(day.mean), 1))


def _boxes(
    days: Sequence[SensorDay], spans: Sequence[tuple[float, float] | None], across: Across, scale: Upward
) -> str:
    """One for each day that has a span; at least a pixel high, so that a constant sensor is seen."""
    unit = WIDTH / (across.last - across.first)
    width = unit * (1 - _SPACING) if len(days) <= _FEW else unit
    boxes = []
    for day, span in zip(days, spans, strict=True):
        if span is None:
            continue
        bottom, top = scale.at(span[0]), scale.at(span[1])
        left = across.at(day.day.toordinal()) - width / 2
        boxes.append(path.box(left, min(top, bottom - 1), width, max(1.0, bottom - top)))
    return "".join(boxes)


def _slice(day: SensorDay, above: bool, across: Across) -> Slice:
    width = 100 / (across.last - across.first)
    return Slice(round(across.percent(day.day.toordinal() - 0.5), 2), round(width, 2), day, above)
