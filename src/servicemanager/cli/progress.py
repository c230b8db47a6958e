"""A run's progress: a bar with rows per second and the time left on a terminal, log lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from servicemanager.jobs.job import Progress

_log = structlog.get_logger()


class LogProgress:
    """One line for each thing worth saying."""

    def expect(self, phase: str, rows: int) -> None: ...

    def advance(self, phase: str, rows: int) -> None: ...

    def say(self, event: str, **values: object) -> None:
        _log.info(event, **values)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """The progress that fits where stderr goes."""
    if sys.stderr.isatty():
        with _bars() as bars:
            yield bars
    else:
        yield LogProgress()


class _Bars:
    def __init__(self, rich_progress: object) -> None:
        from rich.progress import Progress as RichProgress

        assert isinstance(rich_progress, RichProgress)  # noqa: S101 -- keeps the import of rich out of --help
        self._progress = rich_progress
        self._tasks: dict[str, int] = {}

    def expect(self, phase: str, rows: int) -> None:
        if rows:
            self._tasks[phase] = self._progress.add_task(phase, total=rows)

    def advance(self, phase: str, rows: int) -> None:
        if phase in self._tasks:
            self._progress.advance(self._tasks[phase], rows)  # type: ignore[arg-type]

    def say(self, event: str, **values: object) -> None:
        if event != "window done":
            self._progress.console.print(f"{event}: " + ", ".join(f"{k} {v}" for k, v in values.items()), markup=False)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} rows/s" if speed else "")

    columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
    with RichProgress(*columns, console=Console(stderr=True)) as bars:
        yield _Bars(bars)
