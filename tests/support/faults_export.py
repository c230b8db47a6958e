"""A small export, watched step by step, in a place that another process can be told."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.archive.s3 import S3Access
from servicemanager.export.job import ExportJob
from servicemanager.export.planning import Wishes
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.mysql import Login, open_mysql
from servicemanager.iotdb.sqlite import open_sqlite
from servicemanager.jobs.job import JobResult, Silence
from servicemanager.jobs.runner import Runner

from .faults import Steps, WatchedFacts, WatchedStore, watch_sql, watched_folder, watched_path
from .iotdb import ZONE

#: So long that a slow machine loses none by accident; where one must expire, a test says so to the database.
LEASE = timedelta(seconds=60)
#: So few that a window of some rows has several slices.
SLICE_ROWS = 8

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where an export works. Can be pickled."""

    #: Of the server, or the path of the embedded database.
    database: Login | Path
    archive: str
    access: S3Access | None
    staging: Path
    #: The first local day that is not exported: fixed, so that a midnight during the tests changes nothing.
    today: date

    def open_database(self, *, waits: bool = True) -> Database:
        """Without `waits`, what is locked is refused at once: the holder is this very thread."""
        database = open_sqlite(self.database) if isinstance(self.database, Path) else open_mysql(self.database)
        if not waits:
            sa.event.listen(database.engine, "connect", _wait_for_nothing)
            database.close()
        return database

    def open_store(self) -> ObjectStore:
        return _open_once(self.archive, self.access)

    @contextmanager
    def watched(self, steps: Steps, *, waits: bool = True) -> Iterator[tuple[Database, WatchedStore]]:
        """The database and the store, all of whose steps are counted."""
        database, store = self.open_database(waits=waits), self.open_store()
        try:
            watch_sql(database, steps)
            folder = isinstance(store, FolderStore)
            yield database, watched_folder(store._root, steps) if folder else WatchedStore(store, steps)
        finally:
            database.close()

    def day(self, days_ago: int) -> date:
        return self.today - timedelta(days=days_ago)

    def midnight(self, days_ago: int) -> datetime:
        """When that day begins, naive in UTC, as it stands in Facts."""
        local = datetime.combine(self.day(days_ago), time(), ZoneInfo(ZONE))
        return local.astimezone(UTC).replace(tzinfo=None)


def _wait_for_nothing(connection: Any, _: object) -> None:
    no_wait = {"sqlite3": "PRAGMA busy_timeout=0"}.get(type(connection).__module__)
    with closing(connection.cursor()) as cursor:
        cursor.execute(no_wait or "SET SESSION innodb_lock_wait_timeout=0")


@cache
def _open_once(url: str, access: S3Access | None) -> ObjectStore:
    return open_store(url, access)


@dataclass(frozen=True)
class Failure:
    """What a run raised."""

    kind: type[BaseException]
    text: str


@dataclass(frozen=True)
class Export:
    """One run of the job, under its lease, every step of it watched."""

    place: Place
    steps: Steps = field(default_factory=Steps)
    stop: threading.Event = field(default_factory=threading.Event)
    lease: timedelta = LEASE
    purge: bool = True
    before: date | None = None
    waits: bool = True

    def run(self) -> JobResult:
        with self.place.watched(self.steps, waits=self.waits) as (database, store):
            return Runner(database, self.lease, Silence(), self.stop).run(self.job(database, store))

    def attempt(self) -> JobResult | Failure:
        return outcome_of(self.run)

    def job(self, database: Database, store: WatchedStore) -> ExportJob:
        facts = WatchedFacts(Facts.open(database, ZONE), database, self.steps)
        wishes = Wishes(ZoneInfo(ZONE), 1, self.purge, before=self.before or self.place.today)
        staging = watched_path(self.place.staging, self.steps)
        return ExportJob(database, facts, store, open_store, staging, wishes, slice_rows=SLICE_ROWS, ahead=False)


def outcome_of(run: Callable[[], T]) -> T | Failure:
    """The result, or what was raised."""
    try:
        return run()
    except BaseException as error:  # noqa: BLE001 -- whoever asks looks at every one
        _let_go(error)
        return Failure(type(error), str(error))


def _let_go(error: BaseException | None) -> None:
    """A reader that was left in the middle keeps its connection open as long as its frame lives."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
