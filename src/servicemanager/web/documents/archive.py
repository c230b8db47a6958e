"""The archive, by local day of arrival."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from servicemanager.web.documents.document import Document


class DayState(StrEnum):
    """How far a day has come."""

    PLANNED = "planned"  # windows are cut, and nothing is archived yet
    PARTLY = "partly archived"
    ARCHIVED = "archived"  # and still in the database
    PURGED = "purged"  # archived, and deleted from the database


class ArchiveDay(Document):
    """One day of the archive."""

    day: date
    state: DayState
    rows: int
    size: int = Field(description="Bytes of its objects.")
    objects: int
    rows_due: int = Field(description="Rows that the archive holds and the database should still hold.")
    sealed_at: datetime | None
    verified_at: datetime | None = Field(description="When the object verified longest ago was; null if one never was.")


class Calendar(Document):
    """Every day of the archive, the oldest first, and their totals."""

    configured: bool = Field(description="Whether the settings name a bucket.")
    days: tuple[ArchiveDay, ...]
    rows: int
    size: int
    objects: int


class Proof(Document):
    """An object, and what is known about it."""

    window_start_at: datetime
    window_end_at: datetime
    generation: int
    url: str
    size: int
    sha256: str
    rows: int
    sealed_at: datetime
    verified_at: datetime | None
    slices: int
    slices_purged: int


class DayDetail(ArchiveDay):
    """A day with its objects."""

    proofs: tuple[Proof, ...]
