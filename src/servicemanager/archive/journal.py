"""The journal of the archive: windows, their objects, and which slices of them are purged.

The invariant: a window is journaled before anything of it is staged, an object before any row of it is
purged, and the mark "purged" is committed together with the delete.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.fingerprint import Fingerprint
from servicemanager.iotdb.tables import archive, archive_object, archive_part
from servicemanager.iotdb.window import Window


@dataclass(frozen=True)
class JournaledWindow:
    """A window and how far it has come."""

    id: int
    window: Window
    creation_date: date
    #: How many objects hold its rows; the next generation's number.
    generations: int
    #: Rows that the archive holds and the database should still hold.
    due_rows: int


@dataclass(frozen=True)
class ArchivedObject:
    """One immutable object."""

    generation: int
    url: str
    size: int
    sha256: str
    fingerprint: Fingerprint
    sealed_at: datetime


@dataclass(frozen=True)
class Location:
    """Where one object is, and the arrivals that it holds."""

    url: str
    window: Window
    creation_date: date


@dataclass(frozen=True)
class Part:
    """What one object holds for one purge slice of its window."""

    generation: int
    slice: int
    window: Window
    fingerprint: Fingerprint
    purged_at: datetime | None = None


class Journal:
    """Reads by itself; writes within the caller's transaction, which the caller fences."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def windows(self, span: Window | None = None) -> list[JournaledWindow]:
        """All windows, or those that overlap `span`, oldest first."""
        objects = (
            sa.select(archive_object.c.archive_id, sa.func.count().label("n"))
            .group_by(archive_object.c.archive_id)
            .subquery()
        )
        due = (
            sa.select(archive_part.c.archive_id, sa.func.sum(archive_part.c.row_count).label("n"))
            .where(archive_part.c.purged_at.is_(None))
            .group_by(archive_part.c.archive_id)
            .subquery()
        )
        query = (
            sa.select(
                archive,
                sa.func.coalesce(objects.c.n, 0).label("generations"),
                sa.func.coalesce(due.c.n, 0).label("due_rows"),
            )
            .outerjoin(objects, objects.c.archive_id == archive.c.id)
            .outerjoin(due, due.c.archive_id == archive.c.id)
            .order_by(archive.c.start_at)
        )
        if span:
            query = query.where(archive.c.start_at < span.end_at, archive.c.end_at > span.start_at)
        with self._database.reading() as connection:
            return [_window(row) for row in connection.execute(query)]

    def objects(self, archive_id: int) -> list[ArchivedObject]:
        """By generation."""
        query = (
            sa.select(archive_object)
            .where(archive_object.c.archive_id == archive_id)
            .order_by(archive_object.c.generation)
        )
        with self._database.reading() as connection:
            return [_object(row) for row in connection.execute(query)]

    def catalogue(self) -> Iterator[tuple[JournaledWindow, ArchivedObject]]:
        """Every object with its window, oldest first."""
        by_id = {entry.id: entry for entry in self.windows()}
        query = sa.select(archive_object).order_by(archive_object.c.archive_id, archive_object.c.generation)
        with self._database.reading() as connection:
            for row in connection.execute(query):
                yield by_id[row.archive_id], _object(row)

    def locations(self) -> list[Location]:
        """Of every object, oldest first: what a question needs, without counting slices or decoding fingerprints."""
        query = (
            sa.select(archive_object.c.url, archive.c.start_at, archive.c.end_at, archive.c.creation_date)
            .join(archive, archive.c.id == archive_object.c.archive_id)
            .order_by(archive.c.start_at, archive_object.c.generation)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query)
            return [Location(url, Window(start, end), day) for url, start, end, day in rows]

    def parts(self, archive_id: int) -> list[Part]:
        """By slice and generation."""
        query = (
            sa.select(archive_part)
            .where(archive_part.c.archive_id == archive_id)
            .order_by(archive_part.c.slice, archive_part.c.generation)
        )
        with self._database.reading() as connection:
            return [_part(row) for row in connection.execute(query)]

    def has_unpurged(self) -> bool:
        """Whether the archive holds rows that the database should still hold."""
        query = sa.select(archive_part.c.slice).where(archive_part.c.purged_at.is_(None), archive_part.c.row_count > 0)
        with self._database.reading() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def plan(self, tx: sa.Connection, windows: Iterable[tuple[Window, date]], now: datetime) -> None:
        """Journal new windows, before anything of them is touched."""
        rows = [
            {"start_at": window.start_at, "end_at": window.end_at, "creation_date": day, "planned_at": now}
            for window, day in windows
        ]
        if rows:
            tx.execute(archive.insert(), rows)

    def record(self, tx: sa.Connection, archive_id: int, found: ArchivedObject, parts: Iterable[Part]) -> None:
        """Journal an object that the store holds, with what it holds for each slice."""
        values = {
            "archive_id": archive_id,
            "generation": found.generation,
            "url": found.url,
            "size": found.size,
            "sha256": found.sha256,
            "row_count": found.fingerprint.rows,
            "fingerprint": found.fingerprint.to_json(),
            "sealed_at": found.sealed_at,
        }
        tx.execute(archive_object.insert().values(values))
        tx.execute(archive_part.insert(), [_part_values(archive_id, part) for part in parts])

    def mark_purged(self, tx: sa.Connection, archive_id: int, number: int, now: datetime) -> int:
        """Mark every part of slice `number` that was not purged yet; returns how many those were."""
        statement = (
            archive_part.update()
            .where(archive_part.c.archive_id == archive_id, archive_part.c.slice == number)
            .where(archive_part.c.purged_at.is_(None))
            .values(purged_at=now)
        )
        return tx.execute(statement).rowcount

    def mark_returned(self, tx: sa.Connection, archive_id: int, number: int) -> int:
        """Take slice `number` back to "archived, not purged"; returns how many parts that were."""
        statement = (
            archive_part.update()
            .where(archive_part.c.archive_id == archive_id, archive_part.c.slice == number)
            .where(archive_part.c.purged_at.is_not(None))
            .values(purged_at=None)
        )
        return tx.execute(statement).rowcount

    def mark_verified(self, tx: sa.Connection, archive_id: int, generation: int, now: datetime) -> None:
        statement = archive_object.update().where(
            archive_object.c.archive_id == archive_id, archive_object.c.generation == generation
        )
        tx.execute(statement.values(verified_at=now))


def _window(row: sa.Row[Any]) -> JournaledWindow:
    window = Window(row.start_at, row.end_at)
    return JournaledWindow(row.id, window, row.creation_date, int(row.generations), int(row.due_rows))


def _object(row: sa.Row[Any]) -> ArchivedObject:
    fingerprint = Fingerprint.from_json(row.fingerprint)
    return ArchivedObject(row.generation, row.url, row.size, row.sha256, fingerprint, row.sealed_at)


def _part(row: sa.Row[Any]) -> Part:
    window, fingerprint = Window(row.start_at, row.end_at), Fingerprint.from_json(row.fingerprint)
    return Part(row.generation, row.slice, window, fingerprint, row.purged_at)


def _part_values(archive_id: int, part: Part) -> dict[str, object]:
    return {
        "archive_id": archive_id,
        "generation": part.generation,
        "slice": part.slice,
        "start_at": part.window.start_at,
        "end_at": part.window.end_at,
        "row_count": part.fingerprint.rows,
        "fingerprint": part.fingerprint.to_json(),
        "purged_at": part.purged_at,
    }
