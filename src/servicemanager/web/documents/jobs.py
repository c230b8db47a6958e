"""Jobs and their runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from servicemanager.jobs.job import Outcome
from servicemanager.web.documents.document import Document


class Progress(Document):
    """How far a run that is at work has come."""

    what: str = Field(description="What it does at the moment.")
    done: int
    total: int | None = Field(None, description="Null while nobody knows.")
    at: datetime = Field(description="When the run said so.")


class Run(Document):
    """One run of a job."""

    run: int
    job: str
    scheduled_for: datetime | None = Field(description="The firing that it was made for; null for a person's.")
    asked_by: str | None = Field(description="Who asked for it; null where the schedule did.")
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome
    counts: Mapping[str, int]
    error: str | None
    instance: str
    term: int
    progress: Progress | None = None


class Due(Document):
    """When a job runs next, and why then."""

    at: datetime
    scheduled_for: datetime
    reason: str


class Job(Document):
    """One job; `pattern` is null where the settings do not ask for it."""

    job: str
    about: str = Field(description="What it does, in a sentence.")
    pattern: str | None
    last: Run | None
    next: Due | None
    typical_seconds: float | None
    succeeded_at: datetime | None
    overdue: bool
    recent: tuple[Run, ...] = Field(description="The newest runs, the newest first; at most 20.")


class Asked(Document):
    """A run that somebody asked for has been started; it is on record as soon as it holds the job's lease."""

    job: str
    asked_by: str
    previous_run: int | None = Field(description="The newest run on record before; the one asked for comes after.")
