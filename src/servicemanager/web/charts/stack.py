"""Stacked areas: how many devices had which status, over time."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

from servicemanager.web.charts import days, path
from servicemanager.web.charts.scale import WIDTH, Across, Tick, Upward, upward
from servicemanager.web.documents.overview import HeadCount

#: The platform's statuses, from the bottom to the top, and what each counts.
STATUSES = (
    ("fail", "not heard for longer"),
    ("warning", "heard 5 to 15 minutes ago"),
    ("unknown", "never heard"),
    ("waiting_approve", "waiting for approval"),
    ("normal", "heard within 5 minutes"),
)
#: More instants than these are not told apart on a screen.
MOST = 240
_HEIGHT = 160.0
_SMALL_HEIGHT = 90.0
#: Below this share of all devices an area is a hair line, so that what is not normal gets a drawing of its own.
_VISIBLE = 0.08
#: Nothing is drawn where nobody counted for so many times the usual time between two counts.
_GAP = 3.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One status: its area, its upper edge, and how many had it last."""

    key: str
    label: str
    area: str
    edge: str
    latest: int


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing."""

    height: float
    layers: tuple[Layer, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """What is told while somebody points at an instant; both places are percent of the width."""

    left: float
    width: float
    count: HeadCount


@dataclass(frozen=True, slots=True)
class Fleet:
    """All devices, and where those are hardly to be seen, the ones that are not normal by themselves."""

    panels: tuple[Panel, ...]
    x_ticks: tuple[Tick, ...]
    slices: tuple[Slice, ...]
    counts: tuple[HeadCount, ...]


def fleet(counts: Sequence[HeadCount], zone: ZoneInfo) -> Fleet | None:
    """None where nobody has counted yet."""
    if not counts:
        return None
    shown = thinned(counts)
    across = Across(shown[0].at.timestamp(), shown[-1].at.timestamp())
    panels = [_panel(shown, across, [key for key, _ in STATUSES], _HEIGHT)]
    most = max(total(count) for count in shown)
    odd = max(total(count) - count.normal for count in shown)
    if 0 < odd < _VISIBLE * most:
        panels.append(_panel(shown, across, [key for key, _ in STATUSES if key != "normal"], _SMALL_HEIGHT))
    x_ticks = days.ticks(shown[0].at, shown[-1].at, zone)
    return Fleet(tuple(panels), x_ticks, tuple(_slices(shown, across)), tuple(shown))


def total(count: HeadCount) -> int:
    return sum(getattr(count, key) for key, _ in STATUSES)


def thinned(counts: Sequence[HeadCount]) -> list[HeadCount]:
    """At most MOST and the last: of neighbours the one with most devices that are not normal, so no trouble is lost."""
    size = -(-len(counts) // MOST)
    groups = [counts[begin : begin + size] for begin in range(0, len(counts) - 1, size)]
    worst = [max(group, key=lambda count: total(count) - count.normal) for group in groups]
    return [*(count for count in worst if count is not counts[-1]), counts[-1]]


def _panel(counts: Sequence[HeadCount], across: Across, keys: Sequence[str], height: float) -> Panel:
    heights = [list(accumulate(getattr(count, key) for key in keys)) for count in counts]
    scale = upward([row[-1] for row in heights], height, from_zero=True)
    runs = list(_runs([count.at for count in counts]))
    words = dict(STATUSES)
    layers = []
    for number, key in enumerate(keys):
        upper = [
            (across.at(count.at.timestamp()), scale.at(row[number])) for count, row in zip(counts, heights, strict=True)
        ]
        lower = [(x, scale.at(row[number - 1] if number else 0)) for (x, _), row in zip(upper, heights, strict=True)]
        area = "".join(path.band(_widened(upper, run), _widened(lower, run)) for run in runs)
        edge = "".join(path.line(_widened(upper, run)) for run in runs)
        layers.append(Layer(key, words[key], area, edge, getattr(counts[-1], key)))
    return Panel(height, tuple(layers), _whole(scale))


def _whole(scale: Upward) -> tuple[Tick, ...]:
    """Devices are not counted in halves."""
    return tuple(tick for tick in scale.ticks() if "." not in tick.label or "\u00a0" in tick.label)


def _widened(points: Sequence[path.Point], run: slice) -> Sequence[path.Point]:
    """The points of a run; a single instant is drawn as a short bar, which ends half-way to a near neighbour."""
    if run.stop - run.start > 1:
        return points[run]
    x, y = points[run.start]
    before = points[run.start - 1][0] if run.start else 0.0
    after = points[run.stop][0] if run.stop < len(points) else WIDTH
    return [(max(x - 2, (before + x) / 2), y), (min(x + 2, (x + after) / 2), y)]


def _runs(instants: Sequence[datetime]) -> Iterator[slice]:
    """The stretches without a gap."""
    apart = [(b - a).total_seconds() for a, b in pairwise(instants)]
    longest = timedelta(seconds=_GAP * statistics.median(apart)) if apart else timedelta.max
    begin = 0
    for index, (a, b) in enumerate(pairwise(instants), 1):
        if b - a > longest:
            yield slice(begin, index)
            begin = index
    yield slice(begin, len(instants))


def _slices(counts: Sequence[HeadCount], across: Across) -> Iterator[Slice]:
    """Each reaches half-way to its neighbours."""
    places = [across.percent(count.at.timestamp()) for count in counts]
    borders = [0.0, *((a + b) / 2 for a, b in pairwise(places)), 100.0]
    for count, (left, right) in zip(counts, pairwise(borders), strict=True):
        yield Slice(round(left, 2), round(right - left, 2), count)
