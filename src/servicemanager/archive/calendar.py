"""The archive by local day of arrival, counted by the database from the journal alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from servicemanager.iotdb.tables import archive, archive_object, archive_part

_a, _o, _p = archive.c, archive_object.c, archive_part.c


@dataclass(frozen=True, slots=True)
class ArchivedDay:
    """What the journal says of a day. `rows_due` are rows that the archive holds and the database should still hold."""

    day: date
    windows: int
    #: Windows without any object.
    empty_windows: int
    objects: int
    rows: int
    size: int
    rows_due: int
    slices_purged: int
    sealed_at: datetime | None
    #: When the object that was verified longest ago was; None where one never was.
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class ArchivedObject:
    """One object of a day, with its proof."""

    start_at: datetime
    end_at: datetime
    generation: int
    url: str
    size: int
    sha256: str
    rows: int
    sealed_at: datetime
    verified_at: datetime | None
    slices: int
    slices_purged: int


def fetch_days(connection: sa.Connection, day: date | None = None) -> list[ArchivedDay]:
    """Every day that was planned, or just this one; the oldest first."""
    objects = _of(sa.select(*_SUMS).select_from(archive.outerjoin(archive_object, _o.archive_id == _a.id)), day)
    parts = _of(sa.select(*_DUE).select_from(archive.join(archive_part, _p.archive_id == _a.id)), day)
    due = {row.creation_date: row for row in connection.execute(parts)}
    return [_day(row, due.get(row.creation_date)) for row in connection.execute(objects)]


def fetch_objects(connection: sa.Connection, day: date) -> list[ArchivedObject]:
    """By window and generation."""
    slices = (
        sa.select(
            _p.archive_id, _p.generation, sa.func.count().label("slices"), sa.func.count(_p.purged_at).label("purged")
        )
        .join(archive, _a.id == _p.archive_id)
        .where(_a.creation_date == day)
        .group_by(_p.archive_id, _p.generation)
    )
    counted = {(row.archive_id, row.generation): (row.slices, row.purged) for row in connection.execute(slices)}
    columns = (_a.id, _a.start_at, _a.end_at, *(column for column in _o if column.name != "fingerprint"))
    joined = archive.join(archive_object, _o.archive_id == _a.id)
    query = sa.select(*columns).select_from(joined).where(_a.creation_date == day)
    return [
        _object(row, *counted.get((row.id, row.generation), (0, 0)))
        for row in connection.execute(query.order_by(_a.start_at, _o.generation))
    ]


def total(connection: sa.Connection) -> tuple[int, int]:
    """Rows and bytes of all objects."""
    query = sa.select(sa.func.coalesce(sa.func.sum(_o.row_count), 0), sa.func.coalesce(sa.func.sum(_o.size), 0))
    rows, size = connection.execute(query).one()
    return int(rows), int(size)


_SUMS = (
    _a.creation_date,
    sa.func.count(_a.id.distinct()).label("windows"),
    sa.func.count(_o.archive_id.distinct()).label("filled"),
    sa.func.count(_o.archive_id).label("objects"),
    sa.func.count(_o.verified_at).label("verified"),
    sa.func.coalesce(sa.func.sum(_o.row_count), 0).label("rows"),
    sa.func.coalesce(sa.func.sum(_o.size), 0).label("size"),
    sa.func.max(_o.sealed_at).label("sealed_at"),
    sa.func.min(_o.verified_at).label("verified_at"),
)
_DUE = (
    _a.creation_date,
    sa.func.coalesce(sa.func.sum(sa.case((_p.purged_at.is_(None), _p.row_count), else_=0)), 0).label("rows_due"),
    sa.func.count(_p.purged_at).label("purged"),
)


def _of(query: sa.Select[Any], day: date | None) -> sa.Select[Any]:
    grouped = query.group_by(_a.creation_date).order_by(_a.creation_date)
    return grouped if day is None else grouped.where(_a.creation_date == day)


def _day(row: Any, due: Any) -> ArchivedDay:
    return ArchivedDay(
        day=row.creation_date,
        windows=row.windows,
        empty_windows=row.windows - row.filled,
        objects=row.objects,
        rows=int(row.rows),
        size=int(row.size),
        rows_due=int(due.rows_due) if due else 0,
        slices_purged=due.purged if due else 0,
        sealed_at=row.sealed_at,
        verified_at=row.verified_at if row.verified == row.objects else None,
    )


def _object(row: Any, slices: int, purged: int) -> ArchivedObject:
    return ArchivedObject(
        start_at=row.start_at,
        end_at=row.end_at,
        generation=row.generation,
        url=row.url,
        size=row.size,
        sha256=row.sha256,
        rows=row.row_count,
        sealed_at=row.sealed_at,
        verified_at=row.verified_at,
        slices=slices,
        slices_purged=purged,
    )
