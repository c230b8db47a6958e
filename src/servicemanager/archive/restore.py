"""Restore: archived rows back into a table, exactly, and only once however often it is run.

Into a table of its own, each chunk of rows is inserted and put down in one transaction. Into Facts,
what returns is what was purged: in the same transaction the journal takes the slice back to "archived,
not purged", so that the next export neither doubles nor forgets it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import pyarrow as pa
import sqlalchemy as sa
import stamina

from servicemanager.archive.ahead import ahead
from servicemanager.archive.journal import ArchivedObject, Journal
from servicemanager.archive.parquet import FOLDER, parse_key, read_object
from servicemanager.archive.proof import Stores, read_proven
from servicemanager.archive.restore_facts import Returning
from servicemanager.archive.restore_target import prepare_target
from servicemanager.archive.verify import Days
from servicemanager.errors import ArchiveDamaged, ArchiveRefused, DatabaseBusy, ObjectCold, ObjectMissing
from servicemanager.iotdb import tables
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.fingerprint import fingerprint_rows
from servicemanager.iotdb.insert import insert_rows
from servicemanager.jobs.job import JobContext, JobResult

#: Rows of one transaction. What is put down of a restore counts in these, so it stays what it is.
CHUNK_ROWS = 20_000
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PLATFORM = {"announcement", "registration", "messages", "devicestatistics", "devicehistorystatus", "user", "releases"}


class Source(StrEnum):
    """Who says which objects there are."""

    JOURNAL = "journal"
    BUCKET = "bucket"


@dataclass(frozen=True)
class Piece:
    """One object of the plan."""

    url: str
    size: int
    #: As the journal has it; None when only the bucket is asked.
    archived: ArchivedObject | None = None


@dataclass(frozen=True)
class Chunk:
    """Rows that one transaction inserts."""

    object: str
    number: int
    rows: pa.Table


@dataclass(frozen=True)
class RestoreJob:
    """Bring the readings of some days back into `target`, which is made where it is missing."""

    database: Database
    stores: Stores
    days: Days
    target: str
    datetime_zone: str
    source: Source = Source.JOURNAL
    chunk_rows: int = CHUNK_ROWS
    #: Transactions at once; with none, this thread does it all.
    threads: int = 2
    lease_name: str = "job:export"
    name: str = "restore"

    def plan(self) -> list[Piece]:
        """The objects that a run reads. Changes nothing. Raises ArchiveRefused for a target that is not allowed."""
        self._check_target()
        return list(self._pieces())

    def run(self, context: JobContext) -> JobResult:
        self._check_target()
        if self.target == "Facts":
            return self._return_to_facts(context)
        prepare_target(self.database, self.target, context.lease)
        return self._copy(context)

    def _check_target(self) -> None:
        name = self.target
        if not _IDENTIFIER.fullmatch(name) or name.lower() in _PLATFORM or name.lower().startswith("sm_"):
            raise ArchiveRefused(f"{name!r} can't be restored into: name a table of its own, or Facts.")
        if name.lower() == "facts" and name != "Facts":
            # Some databases take it for the same table, of which the journal must know.
            raise ArchiveRefused(f"{name!r} can't be restored into: write Facts, or name a table of its own.")
        if name == "Facts" and self.source is Source.BUCKET:
            raise ArchiveRefused(
                "Only the journal knows which rows have left Facts: run servicemanager db adopt first, or restore into "
                "another table."
            )

    def _pieces(self) -> Iterator[Piece]:
        if self.source is Source.JOURNAL:
            for entry, found in Journal(self.database).catalogue():
                if entry.creation_date in self.days:
                    yield Piece(found.url, found.size, found)
            return
        for stat in self.stores.current.list(FOLDER):
            name = parse_key(stat.key)
            if name and name.creation_date in self.days:
                yield Piece(self.stores.current.url_of(stat.key), stat.size)

    def _copy(self, context: JobContext) -> JobResult:
        table = Facts.open(self.database, self.datetime_zone, self.target).shape.table
        problems: list[str] = []
        context.counts.update(objects=0, rows_restored=0)
        insert = partial(self._insert, context, table)
        with closing(ahead(insert, self._chunks(context, problems), self._threads)) as chunks:
            for chunk, wait in chunks:
                wait()
                context.counts.update(rows_restored=chunk.rows.num_rows)
        return JobResult(dict(context.counts), tuple(problems))

    @property
    def _threads(self) -> int:
        """SQLite lets one write at a time."""
        return self.threads if self.database.dialect == "mysql" else 0

    def _chunks(self, context: JobContext, problems: list[str]) -> Iterator[Chunk]:
        """What is still to be inserted; objects that can't be are told in `problems`."""
        for piece in self.plan():
            context.checkpoint()
            try:
                rows = self._rows(piece)
            except (ArchiveDamaged, ObjectCold, ObjectMissing) as error:
                problems.append(str(error))
                continue
            context.counts.update(objects=1)
            context.progress.say("object read", url=piece.url, rows=rows.num_rows)
            key = self.stores.locate(piece.url)[1]
            done = self._done(key)
            for number, start in enumerate(range(0, rows.num_rows, self.chunk_rows)):
                part = rows.slice(start, self.chunk_rows)
                context.progress.advance("restored", part.num_rows)
                if number not in done:
                    yield Chunk(key, number, part)

    def _rows(self, piece: Piece) -> pa.Table:
        if piece.archived:
            return read_proven(self.stores, piece.archived)
        store, key = self.stores.locate(piece.url)
        content = read_object(store.read(key), piece.url)
        if fingerprint_rows(content.rows) != content.label.fingerprint:
            raise ArchiveDamaged(f"The object {piece.url} does not hold the rows that its label promises.")
        return content.rows

    def _insert(self, context: JobContext, table: str, chunk: Chunk) -> None:
        """The rows and the note that they are there, in one transaction."""
        for attempt in stamina.retry_context(on=DatabaseBusy, attempts=5, timeout=None, wait_max=2.0):
            with attempt:
                context.checkpoint()
                with self.database.transaction() as tx:
                    insert_rows(self.database, tx, table, chunk.rows)
                    values = {"target": self.target, "object": chunk.object, "chunk": chunk.number}
                    tx.execute(tables.restore.insert().values(**values, restored_at=self.database.now(tx)))
                    # At the end, since two chunks are on their way at once and both pass it.
                    context.lease.pass_fence(tx)

    def _done(self, key: str) -> set[int]:
        query = sa.select(tables.restore.c.chunk)
        query = query.where(tables.restore.c.target == self.target, tables.restore.c.object == key)
        with self.database.reading() as connection:
            return set(connection.execute(query).scalars())

    def _return_to_facts(self, context: JobContext) -> JobResult:
        facts, journal = Facts.open(self.database, self.datetime_zone), Journal(self.database)
        returning = Returning(self.database, self.stores, facts, journal, context)
        problems: list[str] = []
        restored = 0
        for entry in journal.windows():
            if entry.creation_date in self.days:
                context.checkpoint()
                try:
                    for rows in returning.window(entry):
                        restored += rows
                except (ArchiveDamaged, ObjectCold) as error:
                    problems.append(str(error))
        return JobResult({"rows_restored": restored}, tuple(problems))
