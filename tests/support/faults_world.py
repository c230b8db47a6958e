"""The world of a small export: a database, an archive and a staging folder, and what must be true of them.

It is brought back to its beginning again and again, so that each fault meets the same rows.
"""

from __future__ import annotations

import io
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from typing import TypeVar

import pyarrow.parquet as pq
import sqlalchemy as sa

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.marker import KEY as MARKER
from servicemanager.archive.objects import ObjectStore
from servicemanager.errors import DatabaseBusy, LeaseHeld
from servicemanager.iotdb import platform_tables, tables
from servicemanager.iotdb.columns import COLUMNS
from servicemanager.jobs.job import JobResult

from .faults import Step, Steps
from .faults_export import Export, Place
from .iotdb import Iotdb, Row
from .statistics import archived_moments, moments_of_rows

_OURS = tables.ours.sorted_tables
_NAMES = ("Facts", *(table.name for table in _OURS))
_PATIENCE = 15  # seconds

T = TypeVar("T")


@dataclass
class World:
    """`begin` puts everything back to what it was when `keep` was called."""

    place: Place
    #: Its database waits for no lock.
    iotdb: Iotdb
    #: All rows that there ever were, wherever they are now.
    rows: Counter = field(default_factory=Counter)
    #: What the archive holds after a run without faults; None where that depends on the fault.
    expected_objects: frozenset[str] | None = None
    _kept_rows: Counter = field(default_factory=Counter)
    #: Those of the rows that were in Facts at the beginning.
    kept_facts: Counter = field(default_factory=Counter)
    _kept_objects: frozenset[str] = frozenset()

    @property
    def store(self) -> ObjectStore:
        return self.place.open_store()

    def insert(self, rows: Iterable[Row]) -> None:
        """Raises DatabaseBusy where it would have to wait."""
        rows = list(rows)
        values = [dict(zip((*COLUMNS, "creationDate"), row, strict=True)) for row in rows]
        with self.iotdb.database.transaction() as tx:
            tx.execute(platform_tables.facts.insert(), values)
        self.rows.update(rows)

    # The beginning.

    def keep(self, rows: Iterable[Row]) -> World:
        """With these rows besides."""
        self.insert(rows)
        self._kept_rows = self.rows.copy()
        self.kept_facts = self.facts()
        self._kept_objects = frozenset(self.objects())
        if isinstance(self.store, FolderStore) and self.store._root.exists():
            shutil.copytree(self.store._root, f"{self.store._root}.kept")
        if self.iotdb.path:
            self.iotdb.database.close()
            shutil.copy(self.iotdb.path, f"{self.iotdb.path}.kept")
        else:
            self.iotdb.execute(*(f"CREATE TABLE kept_{name} AS SELECT * FROM {name}" for name in _NAMES))
        return self

    def begin(self) -> None:
        self.rows = self._kept_rows.copy()
        if self.iotdb.path:
            self._restore_file()
        else:
            patiently(self._restore_tables)
        if isinstance(self.store, FolderStore):
            self._restore_folder()
        else:
            self._remove(self.objects() - self._kept_objects)
        for path in self.place.staging.iterdir():
            path.unlink()

    def steps(self, *, answers: bool = False) -> list[Step]:
        """Those of a run without faults."""
        self.begin()
        steps = Steps(answers=answers)
        assert Export(self.place, steps).run().problems == ()
        self.assert_done()
        self.expected_objects = frozenset(self.objects())
        assert len(steps.seen) > 100
        return steps.seen

    def _restore_file(self) -> None:
        self.iotdb.database.close()
        for suffix in ("-wal", "-shm"):
            self.iotdb.path.with_name(self.iotdb.path.name + suffix).unlink(missing_ok=True)
        shutil.copy(f"{self.iotdb.path}.kept", self.iotdb.path)

    def _restore_tables(self) -> None:
        for name in _NAMES:
            self.iotdb.execute(f"DELETE FROM {name}", f"INSERT INTO {name} SELECT * FROM kept_{name}")

    def _restore_folder(self) -> None:
        root = self.store._root
        shutil.rmtree(root, ignore_errors=True)
        if root.with_suffix(".kept").exists():
            shutil.copytree(root.with_suffix(".kept"), root)

    def _remove(self, keys: set[str]) -> None:
        doomed = [{"Key": self.store._prefix + key} for key in keys]
        if doomed:
            self.store._client.delete_objects(Bucket=self.store._bucket, Delete={"Objects": doomed})

    def overwrite(self, key: str, body: bytes | None) -> None:
        """What no archive does: another body for the object, or none."""
        store = self.store
        if isinstance(store, FolderStore):
            path = store._root / key
            path.unlink(missing_ok=True)
            if body is not None:
                path.write_bytes(body)
        elif body is None:
            self._remove({key})
        else:
            store._client.put_object(Bucket=store._bucket, Key=store._prefix + key, Body=body)

    # What there is.

    def facts(self, table: str = "Facts") -> Counter:
        """The rows of that table."""
        facts = platform_tables.facts.to_metadata(sa.MetaData(), name=table).c
        with self.iotdb.database.reading() as connection:
            found = connection.execute(sa.select(*(facts[name] for name in COLUMNS), facts.creationDate))
            return Counter(tuple(row) for row in found)

    def objects(self) -> set[str]:
        return {stat.key for stat in self.store.list("")}

    def archived(self) -> dict[str, Counter]:
        """The rows of every object, by its URL, read by pyarrow alone."""
        keys = self.objects() - {MARKER}
        return {self.store.url_of(key): _rows(self.store.read(key)) for key in keys}

    def purged(self, archived: dict[str, Counter]) -> Counter:
        """The archived rows of which the journal says that they were deleted from Facts."""
        part, known = tables.archive_part.c, tables.archive_object.c
        query = (
            sa.select(known.url, part.start_at, part.end_at)
            .where(known.archive_id == part.archive_id, known.generation == part.generation)
            .where(part.purged_at.is_not(None))
        )
        found: Counter = Counter()
        with self.iotdb.database.reading() as connection:
            for url, *ends in connection.execute(query):
                start, end = (instant.replace(tzinfo=None) for instant in ends)
                found.update({row: n for row, n in archived[url].items() if start <= row[-1] < end})
        return found

    def state(self) -> dict[str, list[str]]:
        """What only the holder of the lease may change: the journal, the leases and Facts."""
        with self.iotdb.database.reading() as connection:
            chosen = [table for table in _OURS if table.name != "sm_job_run"]
            found = {table.name: sorted(map(repr, connection.execute(sa.select(table)))) for table in chosen}
        return {**found, "Facts": sorted(map(repr, self.facts().items()))}

    # What must be true.

    def assert_nothing_is_lost(self) -> None:
        """At any moment. What is purged, and only that, has left Facts; and all of that is in the archive."""
        facts, archived = self.facts(), self.archived()
        assert self.rows - (facts + _total(archived)) == Counter(), "rows are neither in Facts nor in the archive"
        assert facts + self.purged(archived) == self.rows, "the journal does not say what has left Facts"
        self.assert_counted(archived)

    def assert_counted(self, archived: dict[str, Counter]) -> None:
        """The rollups count the readings of the objects that the journal knows, once each, and no others."""
        journaled = sum((archived[url] for url in self._journaled()), Counter())
        assert archived_moments(self.iotdb) == moments_of_rows(journaled), "the rollups miscount the archive"

    def assert_done(self) -> None:
        """After a run that came to its end: every old row is in the archive, once, and nowhere else."""
        facts, archived = self.facts(), self.archived()
        archive = _total(archived)
        assert self.rows - (facts + archive) == Counter(), "rows are lost"
        assert (facts + archive) - self.rows == Counter(), "rows are doubled"
        assert [row for row in facts if row[-1] < self.place.midnight(0)] == [], "old rows are left in Facts"
        assert self.purged(archived) == archive, "the journal does not say what has left Facts"
        self.assert_counted(archived)
        assert set(archived) == self._journaled(), "the journal does not know what the archive holds"
        assert self.expected_objects in {None, frozenset(self.objects())}, "there are other objects than expected"
        assert list(self.place.staging.iterdir()) == [], "a staged file is left"

    def _journaled(self) -> set[str]:
        with self.iotdb.database.reading() as connection:
            return set(connection.execute(sa.select(tables.archive_object.c.url)).scalars())

    # What time brings.

    def expire_lease(self) -> None:
        expire = "UPDATE sm_lease SET expires_at = '2000-01-01 00:00:00' WHERE holder IS NOT NULL"
        patiently(lambda: self.iotdb.execute(expire))

    def finish(self) -> JobResult:
        """The next export, whatever the last run left behind."""
        result = self.again(Export(self.place).run)
        assert result.problems == ()
        return result

    def again(self, run: Callable[[], T]) -> T:
        """The next run, once the last one's lease has expired."""

        def attempt() -> T:
            self.expire_lease()
            return run()

        return patiently(attempt)

    def drop_connections(self) -> None:
        """As the server does with those that stay silent for too long."""
        query = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        with self.iotdb.database.reading() as connection:
            for (number,) in connection.exec_driver_sql(query).all():
                with suppress(sa.exc.OperationalError):  # it has just gone by itself
                    connection.exec_driver_sql(f"KILL CONNECTION {number}")


def patiently(attempt: Callable[[], T]) -> T:
    """Until the server has noticed that a dead process' connection, and so its locks, are gone."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return attempt()
        except (LeaseHeld, DatabaseBusy):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _rows(body: bytes) -> Counter:
    table = pq.ParquetFile(io.BytesIO(body)).read()
    arrivals = [arrival.astimezone(UTC).replace(tzinfo=None) for arrival in table["creationDate"].to_pylist()]
    return Counter(zip(*(table[name].to_pylist() for name in COLUMNS), arrivals, strict=True))


def _total(archived: dict[str, Counter]) -> Counter:
    return sum(archived.values(), Counter())
