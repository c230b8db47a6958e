"""The latest runs of a job, side by side; and a line so small that it stands in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from servicemanager.jobs.job import Outcome
from servicemanager.web.charts import path
from servicemanager.web.charts.scale import Across, upward
from servicemanager.web.documents.jobs import Run

#: Runs of one strip; fewer leave room at the left, so that the newest stand below each other.
MOST = 20
_PITCH, _BAR, _HEIGHT = 9.0, 7.0, 24.0
#: Told apart by their height as well as by their colour: what ended badly is short.
_HEIGHTS = {Outcome.DONE: 24.0, Outcome.RUNNING: 24.0, Outcome.STOPPED: 16.0, Outcome.INTERRUPTED: 16.0}
_FAILED = 10.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One run, in pixels."""

    x: float
    y: float
    height: float
    run: Run


@dataclass(frozen=True, slots=True)
class Strip:
    """In pixels, the newest run at the right; `sentence` says the same in words."""

    width: float
    height: float
    bar: float
    bars: tuple[Bar, ...]
    sentence: str


def strip(runs: Sequence[Run]) -> Strip:
    """`runs` has the newest first."""
    shown = list(runs[:MOST])[::-1]
    bars = []
    for place, run in enumerate(shown, MOST - len(shown)):
        height = _HEIGHTS.get(run.outcome, _FAILED)
        bars.append(Bar(place * _PITCH, _HEIGHT - height, height, run))
    return Strip(MOST * _PITCH, _HEIGHT, _BAR, tuple(bars), _sentence(shown))


def _sentence(runs: Sequence[Run]) -> str:
    if not runs:
        return "It has not run yet."
    many = Counter(run.outcome for run in runs)
    told = ", ".join(f"{many[outcome]} {outcome}" for outcome in Outcome if many[outcome])
    return f"The last {len(runs)} runs: {told}." if len(runs) > 1 else f"The only run: {told}."


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line without axes, and the place of its last point; percent of the width, and pixels from the top."""

    height: float
    line: str
    last_x: float
    last_y: float


def sparkline(values: Sequence[float], height: float = 24.0) -> Sparkline | None:
    """None for no values; a single one is a line of its own level."""
    if not values:
        return None
    shown = [*values] * 2 if len(values) == 1 else values
    across, scale = Across(0, len(shown) - 1), upward(shown, height)
    points = [(across.at(place), scale.at(value)) for place, value in enumerate(shown)]
    return Sparkline(height, path.line(points), 100.0, round(points[-1][1], 1))
