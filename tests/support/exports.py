"""Exports over real databases and stores, and what the archive then holds."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.archive.parquet import FOLDER
from servicemanager.archive.proof import Stores
from servicemanager.archive.restore import RestoreJob
from servicemanager.archive.verify import Days
from servicemanager.export.job import ExportJob
from servicemanager.export.planning import Wishes
from servicemanager.iotdb.columns import COLUMNS
from servicemanager.jobs.job import JobResult, Silence
from servicemanager.jobs.runner import Runner

from .iotdb import ZONE, Iotdb

LEASE = timedelta(seconds=15)


def make_job(iotdb: Iotdb, store: ObjectStore, staging: Path, *, slice_rows: int = 20_000, **wishes) -> ExportJob:
    """An export of everything that arrived before today; `wishes` are those of `Wishes`, and `csv` and `clock`."""
    options = {name: wishes.pop(name) for name in ("csv", "clock") if name in wishes}
    asked = Wishes(**{"zone": ZoneInfo(ZONE), "days": 1, "purge": True, **wishes})
    return ExportJob(iotdb.database, iotdb.facts(), store, open_store, staging, asked, slice_rows=slice_rows, **options)


def run(job: ExportJob, lease: timedelta = LEASE, asked_by: str | None = None) -> JobResult:
    return Runner(job.database, lease, Silence(), threading.Event()).run(job, asked_by=asked_by)


def restore(
    iotdb: Iotdb, store: ObjectStore, target: str = "Facts_restored", stop: threading.Event | None = None, **options
) -> JobResult:
    """What was archived, back into `target`; `options` are those of `RestoreJob`."""
    days = options.pop("days", Days())
    job = RestoreJob(iotdb.database, Stores(store, open_store), days, target, ZONE, **options)
    return Runner(iotdb.database, LEASE, Silence(), stop or threading.Event()).run(job)


def rows_of_table(iotdb: Iotdb, table: str) -> Counter:
    """As `Iotdb.rows`, of another table."""
    iotdb.execute("ALTER TABLE Facts RENAME TO Facts_aside", f"ALTER TABLE {table} RENAME TO Facts")
    try:
        return iotdb.rows()
    finally:
        iotdb.database.close()  # SQLite refuses to rename by what another connection remembers of the tables
        iotdb.execute(f"ALTER TABLE Facts RENAME TO {table}", "ALTER TABLE Facts_aside RENAME TO Facts")


def archived_tables(store: ObjectStore) -> Iterator[tuple[str, object]]:
    """Key and Arrow table of every data object, read by pyarrow alone."""
    for stat in store.list(FOLDER):
        if stat.key.endswith(".parquet"):
            yield stat.key, pq.read_table(io.BytesIO(store.read(stat.key)))


def archived_rows(store: ObjectStore) -> Counter:
    """The multiset of rows that the archive holds, with the time as stored in the database."""
    found: Counter = Counter()
    for _, table in archived_tables(store):
        local = "creationDate_local" in table.column_names
        stored = table["creationDate_local" if local else "creationDate"].to_pylist()
        times = [value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value for value in stored]
        found.update(zip(*(table[name].to_pylist() for name in COLUMNS), times, strict=True))
    return found


def days_ago(days: int, hour: int = 12) -> datetime:
    """Naive UTC: `hour` o'clock of the local day `days` ago in ZONE."""
    today: date = datetime.now(ZoneInfo(ZONE)).date()
    local = datetime.combine(today - timedelta(days=days), datetime.min.time(), ZoneInfo(ZONE))
    return (local + timedelta(hours=hour)).astimezone(UTC).replace(tzinfo=None)


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path) -> ObjectStore:
    """An empty archive, in a folder and in a bucket."""
    if request.param == "folder":
        return FolderStore(tmp_path / "archive")
    bucket = request.getfixturevalue("s3_bucket")
    return open_store(f"s3://{bucket}/passagem/", request.getfixturevalue("s3_access"))


@pytest.fixture
def staging(tmp_path) -> Path:
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging"


Maker = Callable[..., ExportJob]
