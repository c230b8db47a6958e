"""The demo: a simulated fleet's old readings move into an archive, and it is shown that none was lost.

Everything happens in one folder, on the embedded database. What the archive and the database hold in
the end is compared with what the simulation made, by fingerprints that neither of them computed.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from servicemanager.archive.journal import Journal
from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.proof import Stores
from servicemanager.archive.verify import Summary, Verifier, known_objects
from servicemanager.demo.fleet import Fleet, make_fleet
from servicemanager.demo.jobs import Done, run_every_job
from servicemanager.demo.load import load_facts
from servicemanager.demo.noise import Noisy, noisiest, publish_statistics
from servicemanager.demo.outage import Outage, show_outage
from servicemanager.demo.past import head_counts
from servicemanager.demo.readings import ZONE, readings
from servicemanager.demo.registry import announcements, registrations
from servicemanager.demo.story import Episode, story
from servicemanager.errors import ServiceManagerError
from servicemanager.iotdb import platform_tables
from servicemanager.iotdb.columns import COLUMNS, STORED
from servicemanager.iotdb.engine import Database, database_uuid
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.fingerprint import Fingerprint, fingerprint_rows, total
from servicemanager.iotdb.reader import READ_SCHEMA
from servicemanager.iotdb.window import EPOCH, Window, from_epoch
from servicemanager.jobs.job import JobResult, Progress
from servicemanager.jobs.runner import Runner
from servicemanager.service import DATA_DIRECTORY, ExportWishes, Service

_MARK = ".servicemanager-demo"
_FAR = 4_000_000_000  # seconds since 1970: the year 2096


@dataclass(frozen=True)
class Demonstration:
    """What happened."""

    made: Fingerprint
    result: JobResult
    archive: Summary
    archived: Fingerprint
    left: Fingerprint
    noisiest: tuple[Noisy, ...]
    episodes: tuple[Episode, ...]
    outage: Outage
    jobs: tuple[Done, ...]
    folder: Path

    @property
    def nothing_lost_or_doubled(self) -> bool:
        return self.archived + self.left == self.made


def show(folder: Path, now: datetime, progress: Progress) -> Demonstration:
    """Run the whole demo in `folder`, which is made anew. Raises ServiceManagerError where it is not a demo's."""
    _clear(folder)
    fleet = make_fleet()
    service = Service.configure({"TZ": str(ZONE)}, folder)
    database = service.database()
    try:
        made = _fill(database, folder, fleet, now, progress)
        store = service.store()
        assert store is not None  # noqa: S101 -- the embedded default has a folder
        job = service.export_job(database, store, ExportWishes())
        result = Runner(database, service.settings.cluster.lease, progress, threading.Event()).run(job)
        archived, summary = _verify(database, store)
        left = _live(database, job.facts)
        publish_statistics(service, database, progress)
        noisy = noisiest(service, database, store)
        outage = show_outage(service, database, fleet.shops[0].name)
        jobs = run_every_job(service, database, progress)
    finally:
        database.close()
    return Demonstration(made, result, summary, archived, left, noisy, story(fleet, now), outage, jobs, folder)


def _clear(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise ServiceManagerError(f"{folder} holds other things than a demo: name an empty folder with --folder.")
    shutil.rmtree(folder / DATA_DIRECTORY, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()


def _fill(database: Database, folder: Path, fleet: Fleet, now: datetime, progress: Progress) -> Fingerprint:
    with database.transaction() as tx:
        tx.execute(platform_tables.registration.insert(), registrations(fleet, now))
        tx.execute(platform_tables.announcement.insert(), announcements(fleet, now))
        tx.execute(platform_tables.history_status.insert(), list(head_counts(fleet, now)))
    made: list[Fingerprint] = []

    def watched() -> Iterator[pa.Table]:
        for table in readings(fleet, now):
            made.append(fingerprint_rows(_as_read(table)))
            yield table
            progress.advance("simulated", table.num_rows)

    progress.expect("simulated", story(fleet, now)[0].count)
    with closing(sqlite3.connect(folder / DATA_DIRECTORY / "iotdb.sqlite")) as connection:
        load_facts(connection, watched())
    return total(made)


def _as_read(table: pa.Table) -> pa.Table:
    stored = table.column("creationDate").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return table.select(COLUMNS).append_column(STORED, stored).cast(READ_SCHEMA)


def _verify(database: Database, store: ObjectStore) -> tuple[Fingerprint, Summary]:
    journal = Journal(database)
    known = known_objects(journal)
    verifier = Verifier(Stores(store, lambda _: store), database_uuid(database), known)
    return total(entry.object.fingerprint for entry in known.values()), Summary.of(verifier.run())


def _live(database: Database, facts: Facts) -> Fingerprint:
    with database.reading() as connection:
        return facts.fingerprints(connection, [Window(EPOCH, from_epoch(_FAR))])[0]
