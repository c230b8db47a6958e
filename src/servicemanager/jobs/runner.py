"""One run of one job: under its lease, on record from its start to its end."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import structlog

from servicemanager.cluster.lease import acquire, kept
from servicemanager.errors import ServiceManagerError, Stopped
from servicemanager.iotdb.engine import Database
from servicemanager.jobs.history import History
from servicemanager.jobs.job import Job, JobContext, JobResult, Outcome, Progress
from servicemanager.jobs.recorded import recorded


@dataclass(frozen=True)
class Runner:
    """Runs jobs one at a time across all instances; the stop event ends a run at its next safe place."""

    database: Database
    lease: timedelta
    progress: Progress
    stop: threading.Event
    #: Told when the run waits for an answer that never comes, and its lease is long gone.
    on_hang: Callable[[str], None] | None = None

    def run(self, job: Job, scheduled_for: datetime | None = None, asked_by: str | None = None) -> JobResult:
        """Raises LeaseHeld when another run is at work, and whatever the job raises, after recording it.

        `scheduled_for` is the firing of the job's pattern that the run is made for; None for a person's. `asked_by`
        names that person, for the record.
        """
        history = History(self.database)
        held = acquire(self.database, job.lease_name, instance_name(), self.lease)
        with kept(held, self.on_hang, self.stop):
            run_id = history.begin(job.name, held, scheduled_for, asked_by)
            with (
                structlog.contextvars.bound_contextvars(job=job.name, run=run_id),
                recorded(self.progress, partial(history.note, run_id, asked_by)) as progress,
            ):
                return _run_on_record(history, run_id, job, JobContext(held, progress, self.stop))


def _run_on_record(history: History, run_id: int, job: Job, context: JobContext) -> JobResult:
    try:
        result = job.run(context)
    except BaseException as error:
        _record_quietly(history, run_id, _outcome(error), context, error)
        raise
    outcome = Outcome.FAILED if result.problems else Outcome.DONE
    history.end(run_id, outcome, result.counts, "\n".join(result.problems) or None)
    return result


def _outcome(error: BaseException) -> Outcome:
    if isinstance(error, Stopped | KeyboardInterrupt):
        return Outcome.STOPPED
    passing = isinstance(error, ServiceManagerError) and error.retryable
    return Outcome.INTERRUPTED if passing else Outcome.FAILED


def _record_quietly(history: History, run_id: int, outcome: Outcome, context: JobContext, error: BaseException) -> None:
    """The run's own error matters more than that it could not be recorded."""
    try:
        history.end(run_id, outcome, context.counts, str(error) or type(error).__name__)
    except ServiceManagerError as unrecorded:
        error.add_note(f"The run's end could not be recorded: {unrecorded}")


def instance_name() -> str:
    """Names this process to people and, by its last part, to itself: no two processes share it."""
    return f"{socket.gethostname()}, process {os.getpid()} ({uuid4().hex[:8]})"
