"""Questions in SQL, each answered from one moment of database and archive.

DuckDB gets one view, `facts`, and nothing else: no file, no network, no extension, no other database, no variable of
Python's, and no way to change its settings. What it can't hold in memory it spills into a private folder.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from servicemanager.archive.journal import Journal
from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.parquet import FOLDER
from servicemanager.archive.proof import Stores
from servicemanager.config import Settings
from servicemanager.errors import (
    ConfigurationError,
    QueryRefused,
    ServiceManagerError,
    StagingFailed,
    Stopped,
)
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.lake.live import LiveRows, schema_of
from servicemanager.lake.promises import live_months
from servicemanager.lake.view import FactsView

if TYPE_CHECKING:
    import duckdb

#: What DuckDB may hold in memory, unless told otherwise.
MEMORY = "1GiB"
_BATCH_ROWS = 65_536
_LOCKED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "enable_external_access": "false",
    "python_enable_replacements": "false",
}


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
        memory: str,
        stop: threading.Event | None = None,
    ) -> None:
        self._source = source
        self._database = database
        self._facts = source.facts(database)
        self._folder = folder
        self._memory = memory
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
        with self._session(folder) as session, self._view(folder, archived=archived) as view:
            session.check(sql)
            with _translated(view, self._stop, self._memory), session.interrupted_by(self._stop):
                session.write(sql, view, answer)
        return Answer(answer, view.objects)

    @contextmanager
    def _session(self, folder: Path) -> Iterator[_Session]:
        session = _Session(folder, self._memory, str(self._source.settings.zone))
        try:
            yield session
        finally:
            session.connection.close()

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
    database = source.database()
    try:
        with _private_folder(source.settings.export.local_directory) as folder:
            yield Lake(source, database, folder, memory or MEMORY, stop)
    finally:
        database.close()


@contextmanager
def _private_folder(below: Path) -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="servicemanager-query-", dir=below)
    except OSError as error:
        raise StagingFailed(f"No folder can be made in {below} ({error}): correct EXPORT_LOCALDIRECTORY.") from error
    with folder as path:
        yield Path(path)


class _Session:
    """A DuckDB of its own, locked as far as it goes."""

    def __init__(self, folder: Path, memory: str, zone: str) -> None:
        import duckdb

        options: dict[str, Any] = {**_LOCKED, "memory_limit": memory, "temp_directory": str(folder / "spilled")}
        try:
            self.connection = duckdb.connect(":memory:", config=options)
        except duckdb.Error as error:
            raise ConfigurationError(f"DuckDB can't be given {memory} of memory ({_words(error)}).") from error
        self.connection.execute(f"SET TimeZone = '{zone}'")
        self.connection.execute("SET lock_configuration = true")

    def check(self, sql: str) -> None:
        """Refuse what is not one question."""
        import duckdb

        try:
            statements = self.connection.extract_statements(sql)
        except duckdb.Error as error:
            raise QueryRefused(_words(error)) from error
        if len(statements) != 1:
            raise QueryRefused(f"One SELECT is answered at a time; these are {len(statements)} statements.")
        kind = statements[0].type
        if kind is not duckdb.StatementType.SELECT:
            raise QueryRefused(
                f"Only SELECT is answered, not {kind.name}: the readings can be read here, and nothing can be written, "
                "loaded, attached or set."
            )

    def write(self, sql: str, view: FactsView, path: Path) -> None:
        """Write the answer to `path`, as a stream of Arrow."""
        self.connection.register("facts", view)
        reader = self.connection.sql(sql).to_arrow_reader(_BATCH_ROWS)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)

    @contextmanager
    def interrupted_by(self, stop: threading.Event) -> Iterator[None]:
        """DuckDB waits in native code, where no signal is heard."""
        over = threading.Event()
        watch = threading.Thread(target=_interrupt, args=(self.connection, stop, over), name="interrupt", daemon=True)
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()


def _interrupt(connection: duckdb.DuckDBPyConnection, stop: threading.Event, over: threading.Event) -> None:
    # The one that is waited for is the one that ends every question: whoever asks should not wait for the next look.
    while not over.wait(0.05):
        if stop.is_set():
            # Again and again: it is not heard between two steps.
            connection.interrupt()


@contextmanager
def _translated(view: FactsView, stop: threading.Event, memory: str) -> Iterator[None]:
    """DuckDB's errors as ours; what one of ours became on its way through DuckDB becomes that again."""
    import duckdb

    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _meaning(error, view.failure, memory, stopped=stop.is_set()) from error


def _meaning(error: Exception, failure: Exception | None, memory: str, *, stopped: bool) -> Exception:
    import duckdb

    text = _words(error)
    if failure:
        return failure
    if stopped:
        return Stopped("The query was interrupted.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return ServiceManagerError(f"The query needs more than {memory} of memory: raise --memory. ({text})")
    if isinstance(error, OSError) and not isinstance(error, duckdb.Error):
        return StagingFailed(f"The answer can't be written: {text}: make room in the folder of EXPORT_LOCALDIRECTORY.")
    return QueryRefused(text)


def _words(error: Exception) -> str:
    """What DuckDB says, with the place in the SQL, without empty lines."""
    return "\n".join(line for line in str(error).splitlines() if line.strip())
