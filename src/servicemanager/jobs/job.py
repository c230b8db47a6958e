"""What a job is, and what it is given and gives back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from servicemanager.cluster.lease import Lease
from servicemanager.errors import Stopped


class Outcome(StrEnum):
    """How a run ended; `running` while it has not."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    #: By a person or the system, in an orderly way.
    STOPPED = "stopped"
    #: Cut short by something that may pass, such as a database that went away: trying again can help.
    INTERRUPTED = "interrupted"


class Progress(Protocol):
    """Where a run reports how far it is. `phase` is a word like 'archived'; amounts are rows."""

    def expect(self, phase: str, rows: int) -> None: ...

    def advance(self, phase: str, rows: int) -> None: ...

    def say(self, event: str, **values: object) -> None: ...


class Silence:
    """Progress that nobody watches."""

    def expect(self, phase: str, rows: int) -> None: ...

    def advance(self, phase: str, rows: int) -> None: ...

    def say(self, event: str, **values: object) -> None: ...


@dataclass(frozen=True)
class JobContext:
    """What every run is given."""

    lease: Lease
    progress: Progress
    #: Set when the run should end at the next safe place.
    stop: threading.Event
    #: What the run has done so far, for its record, however it ends.
    counts: Counter[str] = field(default_factory=Counter)

    def checkpoint(self) -> None:
        """Raise Stopped or LeaseLost where the run must not go on. Called between any two steps."""
        if self.stop.is_set():
            raise Stopped("The run was asked to stop: what was begun is finished, and the next run goes on from here.")
        self.lease.check()


@dataclass(frozen=True)
class JobResult:
    """What a run did, in numbers, and what it could not do, in sentences; notices are worth a look, but no failure."""

    counts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class Job(Protocol):
    """Something that the service does again and again."""

    @property
    def name(self) -> str: ...

    @property
    def lease_name(self) -> str:
        """What keeps two runs apart; jobs that must not run together share one."""

    def run(self, context: JobContext) -> JobResult: ...
