"""The scheduler: starts what is due as child processes, and watches them.

What is due is computed from the record of runs, which is read when something may have changed it: when this instance
becomes master, when a child ends, at each firing, and once a minute, for a person may run jobs too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from servicemanager.errors import LeaseHeld, ServiceManagerError
from servicemanager.iotdb.engine import Database
from servicemanager.jobs.history import History
from servicemanager.jobs.job import Outcome
from servicemanager.scheduler.child import Child, Command
from servicemanager.scheduler.cron import Schedule
from servicemanager.scheduler.due import Due, next_start, wait_after

_REREAD = 60.0

_log = structlog.get_logger()


@dataclass(frozen=True)
class Planned:
    """A job that the scheduler starts: by what pattern, how, and how long a run may take."""

    job: str
    schedule: Schedule
    command: Callable[[Due], Command]
    limit: timedelta


@dataclass
class _State:
    due: Due | None = None
    child: Child | None = None
    #: Who asked for the child; None where the schedule did.
    asked_by: str | None = None
    #: On our own clock: not before this is the job looked at again.
    look_at: float = 0.0
    #: Children in a row that ended without having begun a run.
    barren: int = 0


@dataclass
class Scheduler:
    """Not thread-safe: one thread calls all of it."""

    catch_up: timedelta
    plan: Mapping[str, Planned] = field(default_factory=dict)
    _states: dict[str, _State] = field(default_factory=dict)

    @property
    def running(self) -> list[str]:
        """The jobs whose children have not ended."""
        return [job for job, state in self._states.items() if state.child]

    def change(self, plan: Mapping[str, Planned], catch_up: timedelta) -> None:
        """Go by other patterns from now on; what runs goes on."""
        self.plan, self.catch_up = plan, catch_up
        self.look_anew()

    def look_anew(self) -> None:
        """Read the record again: this instance has just become master, or the patterns are others."""
        for state in self._states.values():
            state.due, state.look_at = None, 0.0

    def stop_children(self) -> None:
        """Ask every child to end; `step` kills those that take too long."""
        for state in self._states.values():
            if state.child:
                state.child.stop()

    def kill_children(self) -> None:
        for state in self._states.values():
            if state.child:
                state.child.kill()
                state.child.process.wait()

    def watch(self) -> None:
        """See to the children that have ended, and to those that take too long."""
        for job, state in self._states.items():
            if state.child and (status := state.child.poll()) is not None:
                self._ended(job, state, state.child, status)

    def start_due(self, database: Database, now: datetime) -> None:
        """Start every job that is due at `now`, by the database's clock. Raises DatabaseUnreachable."""
        for job, planned in self.plan.items():
            state = self._states.setdefault(job, _State())
            if state.child or time.monotonic() < state.look_at:
                continue
            if state.due is None or state.due.at <= now:
                state.due = self._read(database, planned, now, state)
            if state.due and state.due.at <= now and not state.child and time.monotonic() >= state.look_at:
                self._start(planned, state, state.due)

    def start_now(self, job: str, command: Command, limit: timedelta, by: str) -> None:
        """Start a run that somebody asked for, whoever is master. Raises LeaseHeld where one of ours is at work."""
        state = self._states.setdefault(job, _State())
        if state.child:
            raise LeaseHeld(f"A run of the job {job} is at work: wait for its end, or watch it.")
        try:
            state.child = Child.start(job, command, limit)
        except OSError as error:
            raise ServiceManagerError(f"The job {job} can't be started on this machine: {error}.") from error
        state.asked_by = by
        _log.info("job started", job=job, reason="asked for", by=by)

    def _read(self, database: Database, planned: Planned, now: datetime, state: _State) -> Due | None:
        """What the record says is next. Something else may be at work, which is waited for."""
        history = History(database)
        since = history.since()
        with database.reading() as connection:
            runs = history.latest(connection, planned.job)
        state.look_at = 0.0
        if runs and runs[0].outcome is Outcome.RUNNING:
            state.look_at = time.monotonic() + 5
            return None
        due = next_start(planned.schedule, runs, since, now, self.catch_up)
        if due is None or due.at > now + timedelta(seconds=_REREAD):
            state.look_at = time.monotonic() + _REREAD
        return due

    def _start(self, planned: Planned, state: _State, due: Due) -> None:
        try:
            state.child = Child.start(planned.job, planned.command(due), planned.limit)
        except OSError as error:
            state.look_at = time.monotonic() + 10
            _log.error("a job can't be started", job=planned.job, error=str(error))
            return
        _log.info(
            "job started", job=planned.job, reason=due.reason.value, scheduled_for=f"{due.scheduled_for:%F %R} UTC"
        )

    def _ended(self, job: str, state: _State, child: Child, status: int) -> None:
        asked = {"by": state.asked_by} if state.asked_by else {}
        state.child, state.due, state.look_at, state.asked_by = None, None, 0.0, None
        seconds = round(time.monotonic() - child.started_at, 1)
        begun = status not in {LeaseHeld.exit_status, 2, 4}
        if begun:
            state.barren = 0
        elif not asked:
            state.barren += 1
            # No run is on record, so the firing is still due.
            state.look_at = time.monotonic() + wait_after(state.barren).total_seconds()
        if status == 0:
            _log.info("job done", job=job, seconds=seconds, **asked)
        elif child.over_limit:
            limit = child.limit.total_seconds()
            _log.error("job took longer than it may", job=job, seconds=seconds, limit=limit, **asked)
        elif status == LeaseHeld.exit_status:
            said = "job not run: another run of it is at work" if asked else "job waits for another run of it"
            _log.warning(said, job=job, **asked)
        elif child.asked_at is not None:
            _log.info("job stopped", job=job, seconds=seconds, status=status, **asked)
        else:
            _log.error("job failed", job=job, seconds=seconds, status=status, **asked)
