"""Incidents, their members, and silences."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, ConfigDict, Field

from servicemanager.alerts.silence import Target
from servicemanager.web.documents.document import Document, Page


class Incident(Document):
    """Something that is wrong, or was; `title` is one line, such as 'shop 1207: 6 silent'."""

    number: int
    subject: str
    title: str
    opened_at: datetime
    told_at: datetime | None = Field(description="When people were told last; null while nobody was.")
    closed_at: datetime | None


class Member(Document):
    """One thing that is or was wrong within an incident."""

    name: str
    group: str
    trouble: str
    type: str | None
    version: str | None
    since_at: datetime
    better_at: datetime | None = Field(description="Since when it has been well again, if it is.")
    ended: str | None = Field(description="How it ended; null while it is wrong.")


class Silence(Document):
    """A maintenance window, in which nobody is told."""

    number: int
    target: Target
    name: str
    reason: str
    starts_at: datetime
    ends_at: datetime | None
    cron: str | None
    duration_seconds: int | None
    in_force: bool
    by: str | None = Field(description="Who added it, where that is known.")


class AddSilence(Document):
    """Say how long by one of `seconds` and `ends_at`; with `cron`, `seconds` is how long each recurrence lasts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"target": "group", "name": "shop 1207", "reason": "The shop is rebuilt.", "seconds": 14_400},
                {"target": "type", "name": "scale", "reason": "Firmware.", "cron": "0 22 * * 6", "seconds": 7_200},
            ]
        }
    )

    target: Target
    name: str = Field(min_length=1, max_length=190)
    reason: str = Field(min_length=1, max_length=255)
    seconds: int | None = Field(None, gt=0, le=366 * 86_400)
    ends_at: AwareDatetime | None = None
    cron: str | None = Field(None, max_length=190)


class Silenceable(Document):
    """What a silence of the whole incident would be about."""

    target: Target
    name: str


class IncidentDetail(Incident):
    """An incident with what is wrong within it."""

    silenceable: Silenceable
    silences: tuple[Silence, ...] = Field(description="Those that cover it and are in force.")
    members: Page[Member]


State = Literal["open", "closed", "all"]
