"""Questions in SQL, each answered from one moment of database and archive.

DuckDB gets one view, `facts`, and nothing else: no file, no network, no extension, no other database, no variable of
Python's, and no way to change its settings. What it can't hold in memory it spills into a private folder.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from servicemanager.archive.journal import Journal
from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.parquet import FOLDER
from servicemanager.archive.proof import Stores
from servicemanager.config import Settings
from servicemanager.errors import StagingFailed, Stopped
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.lake.engine import MEMORY, Engine, opened, translated
from servicemanager.lake.live import LiveRows, schema_of
from servicemanager.lake.promises import live_months
from servicemanager.lake.view import FactsView


class Source(Protocol):
    """Where database and archive are; `service.Service` is one."""

    @property
    def settings(self) -> Settings: ...

    def database(self) -> Database: ...

    def facts(self, database: Database) -> Facts: ...

    def store(self) -> ObjectStore | None: ...

    def open_store(self, url: str) -> ObjectStore: ...


class Answer:
    """The rows of an answer, in a file, so that whoever reads them keeps nobody waiting. Gone with its `Lake`."""

    def __init__(self, path: Path, objects: Sequence[str]) -> None:
        self._path = path
        #: URLs of all that the archive held at that moment.
        self.objects = objects

    @property
    def schema(self) -> pa.Schema:
        with pa.memory_map(str(self._path)) as file:
            return pa.ipc.open_stream(file).schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """In the order in which DuckDB gave them."""
        with pa.memory_map(str(self._path)) as file:
            yield from pa.ipc.open_stream(file)

    def table(self) -> pa.Table:
        """All of it, in memory."""
        with pa.OSFile(str(self._path)) as file:
            return pa.ipc.open_stream(file).read_all()


class Lake:
    """Asks; see the module's docstring. A question that `stop` is set meanwhile for ends with Stopped."""

    def __init__(
        self,
        source: Source,
        database: Database,
        folder: Path,
        engine: Callable[[], Engine],
        stop: threading.Event | None = None,
    ) -> None:
        self._source = source
        self._database = database
        self._facts = source.facts(database)
        self._folder = folder
        self._engine = engine
        self._stop = stop or threading.Event()
        self._asked = 0

    @property
    def columns(self) -> list[str]:
        """Of the view."""
        return list(schema_of(self._facts).names)

    def query(self, sql: str, *, archived: bool = True) -> Answer:
        """The answer to one SELECT about the view `facts`; without `archived` that holds only what the archive lacks.

        Raises QueryRefused with DuckDB's words where the SQL is wrong or does more than reading, Unreachable, or
        ArchiveDamaged.
        """
        self._asked += 1
        folder = self._folder / f"query-{self._asked}"
        folder.mkdir()
        answer = folder / "answer.arrow"
        with self._view(folder, archived=archived) as view, self._engine().session() as session:
            session.check(sql)
            with translated(view, self._stop, self._engine().memory), session.interrupted_by(self._stop):
                session.write(sql, view, answer)
        return Answer(answer, view.objects)

    @contextmanager
    def _view(self, folder: Path, *, archived: bool) -> Iterator[FactsView]:
        with self._database.pinned() as pinned:
            locations = Journal(pinned).locations()
            stores = self._stores(locations[0].url if locations else None)
            calendar = self._facts.calendar(self._source.settings.zone)
            live = LiveRows(pinned, self._facts, calendar, stores, self._checkpoint)
            months = live_months(calendar, calendar.day_of(self._now(pinned)))
            yield FactsView(locations, live, months, folder, archived=archived)

    def _stores(self, url: str | None) -> Stores:
        """Where no bucket is configured any more, the journal still knows where its objects are."""
        store = self._source.store()
        if store is None:
            root = (url or f"file:///{FOLDER}").rpartition(FOLDER)[0]
            store = self._source.open_store(root)
        return Stores(store, self._source.open_store)

    def _now(self, pinned: Database) -> datetime:
        with pinned.reading() as connection:
            return pinned.now(connection)

    def _checkpoint(self) -> None:
        if self._stop.is_set():
            raise Stopped("The query was interrupted.")


@contextmanager
def facts(source: Source, memory: str | None = None, stop: threading.Event | None = None) -> Iterator[Lake]:
    """The readings of `source`, archived and live ones, to be asked in SQL until the block ends.

    `memory` is what DuckDB may hold, such as "500MB", by default 1GiB; what goes beyond is spilled below
    `export.localDirectory`. Raises DatabaseUnreachable, or DatabaseRefused where Facts is not the platform's.
    """
    settings = source.settings
    with (
        _private_folder(settings.export.local_directory) as folder,
        opened(folder / "spilled", memory or MEMORY, str(settings.zone)) as engine,
        closing(source.database()) as database,
    ):
        yield Lake(source, database, folder, engine, stop)


@contextmanager
def _private_folder(below: Path) -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="servicemanager-query-", dir=below)
    except OSError as error:
        raise StagingFailed(f"No folder can be made in {below} ({error}): correct EXPORT_LOCALDIRECTORY.") from error
    with folder as path:
        yield Path(path)
