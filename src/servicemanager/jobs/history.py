"""The record of every run, in sm_job_run, and what is noted about it in sm_job_note."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

import sqlalchemy as sa

from servicemanager.cluster.lease import Lease
from servicemanager.iotdb.engine import Database, read_meta
from servicemanager.iotdb.tables import job_note, job_run, lease, meta
from servicemanager.jobs.job import Outcome

_SINCE = "schedule_since"
_LOST = "It ended without a word: its process was killed, or its machine stopped."
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Reached:
    """How far a run has come: `what` is the phase, such as 'archived', amounts are rows, `at` is the database's."""

    what: str
    done: int
    total: int | None
    at: datetime


@dataclass(frozen=True)
class Run:
    """One run. A run that is on record as running, though nobody holds its lease any more, was interrupted."""

    number: int
    job: str
    scheduled_for: datetime | None
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome
    counts: Mapping[str, int]
    error: str | None
    instance: str
    term: int
    #: Who asked for it, where a person did and that is known.
    asked_by: str | None = None
    #: Only while it is at work, and only once it has said so.
    reached: Reached | None = None


class History:
    """Written at the start and at the end of a run: a killed run stays on record as running under an old term."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, job: str, lease: Lease, scheduled_for: datetime | None = None, asked_by: str | None = None) -> int:
        """Called under the job's lease, so that whatever else is on record as running is not."""
        with self._database.transaction() as tx:
            now = self._database.now(tx)
            lost = job_run.update().where(job_run.c.job == job, job_run.c.outcome == Outcome.RUNNING)
            tx.execute(lost.values(outcome=Outcome.INTERRUPTED, ended_at=now, error=_LOST))
            values = {"job": job, "scheduled_for": scheduled_for, "started_at": now, "outcome": Outcome.RUNNING}
            made_by = {"counts": "{}", "instance": lease.holder, "term": lease.term}
            result = tx.execute(job_run.insert().values(**values, **made_by))
            assert result.inserted_primary_key is not None  # noqa: S101 -- the table numbers its rows
            number = int(result.inserted_primary_key[0])
            if asked_by is not None:
                tx.execute(job_note.insert().values(run_id=number, asked_by=asked_by[:_LONGEST_NAME]))
            return number

    def note(self, run_id: int, asked_by: str | None, what: str, done: int, total: int | None) -> None:
        """Write down how far the run has come, unless another one has begun since: then this one was deposed."""
        going_on = sa.select(job_run.c.id).where(job_run.c.id == run_id, job_run.c.outcome == Outcome.RUNNING)
        with self._database.transaction() as tx:
            if tx.execute(going_on).first() is None:
                return
            reached = Reached(what, done, total, self._database.now(tx))
            values = {
                "run_id": run_id,
                "asked_by": asked_by and asked_by[:_LONGEST_NAME],
                "progress": json.dumps(asdict(reached), default=datetime.isoformat),
            }
            tx.execute(job_note.delete().where(job_note.c.run_id == run_id))
            tx.execute(job_note.insert().values(**values))

    def end(self, run_id: int, outcome: Outcome, counts: Mapping[str, int], error: str | None) -> None:
        with self._database.transaction() as tx:
            values = {"outcome": outcome, "ended_at": self._database.now(tx), "error": error}
            statement = job_run.update().where(job_run.c.id == run_id)
            tx.execute(statement.values(**values, counts=json.dumps(dict(counts))))

    def latest(self, connection: sa.Connection, job: str, limit: int = 20) -> list[Run]:
        """The newest runs of a job, the newest first."""
        return self.page(connection, job, None, limit)

    def page(self, connection: sa.Connection, job: str | None, before: int | None, limit: int) -> list[Run]:
        """Runs of one job, or of all, numbered below `before`; the newest first."""
        query = _select().order_by(job_run.c.id.desc()).limit(limit)
        if job is not None:
            query = query.where(job_run.c.job == job)
        if before is not None:
            query = query.where(job_run.c.id < before)
        return self._runs(connection, query)

    def run(self, connection: sa.Connection, number: int) -> Run | None:
        return next(iter(self._runs(connection, _select().where(job_run.c.id == number))), None)

    def succeeded(self, connection: sa.Connection, job: str) -> Run | None:
        """The newest run that did all its work."""
        query = _select().where(job_run.c.job == job, job_run.c.outcome == Outcome.DONE)
        return next(iter(self._runs(connection, query.order_by(job_run.c.id.desc()).limit(1))), None)

    def since(self) -> datetime:
        """When the schedule began to count: the first time that anybody asked."""
        insert = meta.insert().prefix_with("IGNORE", dialect="mysql").prefix_with("OR IGNORE", dialect="sqlite")
        with self._database.reading() as connection:
            noted = read_meta(connection, _SINCE)
        if noted is None:
            with self._database.transaction() as tx:
                tx.execute(insert.values(name=_SINCE, value=self._database.now(tx).isoformat()))
                noted = read_meta(tx, _SINCE)
        assert noted is not None  # noqa: S101 -- it was inserted above, by us or by another instance
        return datetime.fromisoformat(noted)

    def _runs(self, connection: sa.Connection, query: sa.Select[Any]) -> list[Run]:
        found = connection.execute(query).all()
        at_work = _at_work(self._database, connection) if any(_runs(row) for row in found) else {}
        return [_run(row, at_work) for row in found]


def typical_seconds(runs: Sequence[Run]) -> float | None:
    """How long a run takes, in the middle of those that succeeded."""
    spans = [(r.ended_at - r.started_at).total_seconds() for r in runs if r.ended_at and r.outcome is Outcome.DONE]
    return median(spans) if spans else None


def _select() -> sa.Select[Any]:
    joined = job_run.outerjoin(job_note, job_note.c.run_id == job_run.c.id)
    return sa.select(job_run, job_note.c.asked_by, job_note.c.progress).select_from(joined)


def _runs(row: Any) -> bool:
    return bool(row.outcome == Outcome.RUNNING)


def _at_work(database: Database, connection: sa.Connection) -> Mapping[tuple[str, int], bool]:
    """Whether each holder and term that the leases name may still be at work."""
    now = database.now(connection)
    held = connection.execute(sa.select(lease).where(lease.c.holder.is_not(None)))
    return {(row.holder, row.term): row.expires_at > now for row in held}


def _run(row: Any, at_work: Mapping[tuple[str, int], bool]) -> Run:
    lost = _runs(row) and not at_work.get((row.instance, row.term), False)
    return Run(
        row.id,
        row.job,
        row.scheduled_for,
        row.started_at,
        row.started_at if lost else row.ended_at,
        Outcome.INTERRUPTED if lost else Outcome(row.outcome),
        json.loads(row.counts),
        _LOST if lost else row.error,
        row.instance,
        row.term,
        row.asked_by,
        _reached(row.progress) if row.progress and _runs(row) and not lost else None,
    )


def _reached(text: str) -> Reached:
    value = json.loads(text)
    return Reached(value["what"], value["done"], value["total"], datetime.fromisoformat(value["at"]))
