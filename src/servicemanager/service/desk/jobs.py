"""Jobs and their runs as documents, and a run that somebody asks for."""

from __future__ import annotations

from servicemanager.errors import NotFound
from servicemanager.iotdb.engine import Database
from servicemanager.jobs.history import History
from servicemanager.jobs.history import Run as RecordedRun
from servicemanager.service.desk import cursors
from servicemanager.service.status import JobStatus
from servicemanager.service.tasks import JOBS, Task
from servicemanager.web.documents.document import Page
from servicemanager.web.documents.jobs import Due, Job, Progress, Run

#: `restore` has no schedule, but its runs are on record.
_RECORDED = {"restore"}


def run_document(run: RecordedRun) -> Run:
    reached = run.reached
    return Run(
        run=run.number,
        job=run.job,
        scheduled_for=run.scheduled_for,
        asked_by=run.asked_by,
        started_at=run.started_at,
        ended_at=run.ended_at,
        outcome=run.outcome,
        counts=run.counts,
        error=run.error,
        instance=run.instance,
        term=run.term,
        progress=Progress(what=reached.what, done=reached.done, total=reached.total, at=reached.at)
        if reached
        else None,
    )


def job_document(job: JobStatus) -> Job:
    due = job.next
    return Job(
        job=job.name,
        about=job.about,
        pattern=job.pattern,
        last=run_document(job.last) if job.last else None,
        next=Due(at=due.at, scheduled_for=due.scheduled_for, reason=due.reason.value) if due else None,
        typical_seconds=job.typical_seconds,
        succeeded_at=job.succeeded_at,
        overdue=job.overdue,
        recent=tuple(map(run_document, job.recent)),
    )


def fetch_runs(database: Database, job: str | None, after: str | None, limit: int) -> Page[Run]:
    """The newest first. Raises NotFound where there is no such job."""
    if job is not None and job not in _RECORDED:
        task_named(job)
    before = cursors.decode_number(after)
    with database.reading() as connection:
        found = History(database).page(connection, job, before, limit + 1)
    shown = found[:limit]
    more = cursors.encode(shown[-1].number) if len(found) > limit else None
    return Page[Run](items=tuple(map(run_document, shown)), next=more)


def fetch_run(database: Database, number: int) -> Run:
    """Raises NotFound."""
    run = None
    if 0 < number <= cursors.LARGEST:
        with database.reading() as connection:
            run = History(database).run(connection, number)
    if run is None:
        raise NotFound(f"There is no run {number} on record.")
    return run_document(run)


def task_named(name: str) -> Task:
    """Raises NotFound, which lists the names that there are."""
    for task in JOBS:
        if task.name == name:
            return task
    raise NotFound(f"There is no job of that name. The jobs are: {', '.join(task.name for task in JOBS)}.")
