"""How far a run is, written down while it is at work, so that it can be watched from every instance.

A thread of its own writes, in small transactions: a database that is slow or away, or that lets only one write at a
time, never holds the run up. What can't be written is left out; the run's own record says how it ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from servicemanager.errors import ServiceManagerError
from servicemanager.jobs.job import Progress

#: Seconds between two looks; a run that is shorter is never written about.
EVERY = 1.0
#: Seconds that the run waits at its end for a write that is under way.
_LAST = 0.5

#: What a run does, how many rows of it are done, and of how many, where that is known.
Note = Callable[[str, int, int | None], None]


class Recorded:
    """Passes everything on to `inner`, and remembers the phase that advanced last."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._expected: dict[str, int] = {}
        self._latest: str | None = None

    def expect(self, phase: str, rows: int) -> None:
        with self._lock:
            if rows:
                self._expected[phase] = rows
                self._latest = self._latest or phase
        self._inner.expect(phase, rows)

    def advance(self, phase: str, rows: int) -> None:
        with self._lock:
            self._done[phase] = self._done.get(phase, 0) + rows
            self._latest = phase
        self._inner.advance(phase, rows)

    def say(self, event: str, **values: object) -> None:
        self._inner.say(event, **values)

    @property
    def state(self) -> tuple[str, int, int | None] | None:
        """None as long as there is nothing to tell."""
        with self._lock:
            phase = self._latest
            return None if phase is None else (phase, self._done.get(phase, 0), self._expected.get(phase))


@contextmanager
def recorded(inner: Progress, note: Note, every: float = EVERY) -> Iterator[Progress]:
    """Progress whose state is noted at most once in `every` seconds, as long as it changes."""
    progress, over = Recorded(inner), threading.Event()

    def write() -> None:
        written = None
        while not over.wait(every):
            state = progress.state
            if state and state != written:
                try:
                    note(*state)
                except ServiceManagerError:
                    continue
                written = state

    thread = threading.Thread(target=write, name="progress", daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        over.set()
        thread.join(_LAST)
