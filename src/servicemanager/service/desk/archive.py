"""The archive's days and objects as documents."""

from __future__ import annotations

from datetime import date

from servicemanager.archive.calendar import ArchivedDay, ArchivedObject, fetch_days, fetch_objects
from servicemanager.errors import NotFound
from servicemanager.iotdb.engine import Database
from servicemanager.web.documents.archive import ArchiveDay, Calendar, DayDetail, DayState, Proof


def fetch_calendar(database: Database, *, configured: bool) -> Calendar:
    with database.reading() as connection:
        days = tuple(ArchiveDay.model_validate(_values(day)) for day in fetch_days(connection))
    return Calendar(
        configured=configured,
        days=days,
        rows=sum(day.rows for day in days),
        size=sum(day.size for day in days),
        objects=sum(day.objects for day in days),
    )


def fetch_day(database: Database, day: date) -> DayDetail:
    """Raises NotFound."""
    with database.reading() as connection:
        found = fetch_days(connection, day)
        objects = fetch_objects(connection, day)
    if not found:
        raise NotFound(f"Nothing that arrived on {day} was planned to be archived.")
    return DayDetail.model_validate({**_values(found[0]), "proofs": tuple(map(_proof, objects))})


def state_of(day: ArchivedDay) -> DayState:
    if not day.objects:
        return DayState.PLANNED
    if day.empty_windows:
        return DayState.PARTLY
    return DayState.PURGED if day.slices_purged and not day.rows_due else DayState.ARCHIVED


def _values(day: ArchivedDay) -> dict[str, object]:
    return {
        "day": day.day,
        "state": state_of(day),
        "rows": day.rows,
        "size": day.size,
        "objects": day.objects,
        "rows_due": day.rows_due,
        "sealed_at": day.sealed_at,
        "verified_at": day.verified_at,
    }


def _proof(found: ArchivedObject) -> Proof:
    return Proof(
        window_start_at=found.start_at,
        window_end_at=found.end_at,
        generation=found.generation,
        url=found.url,
        size=found.size,
        sha256=found.sha256,
        rows=found.rows,
        sealed_at=found.sealed_at,
        verified_at=found.verified_at,
        slices=found.slices,
        slices_purged=found.slices_purged,
    )
