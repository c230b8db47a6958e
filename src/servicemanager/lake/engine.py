"""DuckDB, locked: it can read what is registered for a question, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from servicemanager.archive.ahead import begun
from servicemanager.errors import (
    ConfigurationError,
    QueryRefused,
    ServiceManagerError,
    StagingFailed,
    Stopped,
)
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


class Engine:
    """A DuckDB of its own, locked as far as it goes."""

    def __init__(self, spilled: Path, memory: str, zone: str) -> None:
        import duckdb

        self.memory = memory
        options: dict[str, Any] = {**_LOCKED, "memory_limit": memory, "temp_directory": str(spilled)}
        try:
            self._duckdb = duckdb.connect(":memory:", config=options)
        except duckdb.Error as error:
            raise ConfigurationError(f"DuckDB can't be given {memory} of memory ({_words(error)}).") from error
        self._duckdb.execute(f"SET GLOBAL TimeZone = '{zone}'")
        self._duckdb.execute("SET lock_configuration = true")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """What is registered in it is seen by no other."""
        with self._duckdb.cursor() as connection:
            yield Session(connection)

    def close(self) -> None:
        self._duckdb.close()


@contextmanager
def opened(spilled: Path, memory: str, zone: str) -> Iterator[Callable[[], Engine]]:
    """An engine, made while the caller looks at the database; the call waits for it, or raises what went wrong."""
    engine = begun(partial(Engine, spilled, memory, zone))
    try:
        yield engine
    finally:
        with suppress(ServiceManagerError):  # whoever asked was told
            engine().close()


@dataclass(frozen=True)
class Session:
    """One question to an engine."""

    connection: duckdb.DuckDBPyConnection

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
def translated(view: FactsView, stop: threading.Event, memory: str) -> Iterator[None]:
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
