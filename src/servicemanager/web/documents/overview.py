"""How the service is: what needs attention, who leads, the fleet, the rows, the jobs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from servicemanager.web.documents.document import Document
from servicemanager.web.documents.incidents import Incident
from servicemanager.web.documents.jobs import Job


class Master(Document):
    """Who holds the lease; all null where nobody does."""

    holder: str | None
    instance: str | None
    term: int | None
    lease_expires_at: datetime | None
    since_at: datetime | None = Field(default=None, description="When it began to lead.")


class Instance(Document):
    """What an instance says of itself."""

    role: Literal["MASTER", "SLAVE"] | None
    answer: str


class Undelivered(Document):
    """Messages that were decided and that no channel has taken yet."""

    messages: int
    oldest_at: datetime | None


class Staging(Document):
    """The folder for files that are being built."""

    host: str
    free_bytes: int | None
    days_until_full: float | None


class Figures(Document):
    """What the job `selfcare` measured last."""

    measured_at: datetime
    cutoff: datetime | None
    rows_past_retention: int | None = Field(description="At most a million are counted.")
    oldest_row_at: datetime | None
    archived_at: datetime | None
    verified_at: datetime | None
    staging: Staging


class HeadCount(Document):
    """How many devices had which status at one instant, by the platform's names for them."""

    at: datetime
    normal: int
    warning: int
    fail: int
    unknown: int
    waiting_approve: int


class Readings(Document):
    """Where the readings are."""

    in_database: int | None = Field(description="As the server estimates it; null where it can't.")
    archived: int
    archived_bytes: int


class Urgency(StrEnum):
    """How much something needs attention."""

    WRONG = "wrong"
    WORTH_A_LOOK = "worth a look"


class Attention(Document):
    """One thing that needs attention, in a sentence; `page` is where to look."""

    urgency: Urgency
    sentence: str
    page: str


class Status(Document):
    """What `servicemanager status --json` prints; each problem is a sentence."""

    now: datetime
    master: Master
    here: Instance
    mirror: Instance | None
    jobs: tuple[Job, ...]
    incidents: tuple[Incident, ...] = Field(
        description="The open ones, the oldest first: of groups' the newest 200, and others."
    )
    incidents_more: int = Field(default=0, description="Open incidents that are not among them.")
    undelivered: Undelivered
    figures: Figures | None
    problems: tuple[str, ...]


class Overview(Status):
    """The first page."""

    summary: str = Field(description="What needs attention first, in a sentence.")
    attention: tuple[Attention, ...] = Field(description="The most urgent first.")
    fleet: tuple[HeadCount, ...] = Field(description="Over time, the oldest first.")
    readings: Readings
