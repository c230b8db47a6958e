"""The embedded database: one SQLite file with the platform's tables and ours."""

from __future__ import annotations

import sqlite3
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import stamina

from servicemanager.iotdb import platform_tables
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.failures import translating

_BUSY_SECONDS = 5.0


def open_sqlite(path: Path) -> Database:
    """Open the file, made with its folder where it is missing. Raises DatabaseUnreachable."""
    place = str(path)
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False})
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    with translating(place):
        _make_folder(path)
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    return Database(engine=engine, dialect="sqlite", place=place)


def create_platform(database: Database) -> None:
    """Make the platform's tables where they are missing: the embedded database has no gateway to do so."""
    with database.transaction() as connection:
        platform_tables.platform.create_all(connection)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise sa.exc.DBAPIError("", None, sqlite3.OperationalError(f"unable to open: {error}")) from error


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # Transactions begin in `_begin`, not where the driver guesses.
    connection.isolation_level = None
    # SQLite itself does not wait where two open a new file at once and both switch its mode.
    for attempt in stamina.retry_context(on=sqlite3.OperationalError, timeout=_BUSY_SECONDS, wait_max=0.1):
        with attempt:
            connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.create_function("crc32", 1, _crc32, deterministic=True)
    for name, power in (("exact_sum", 1), ("exact_squares", 2)):
        exact: Any = partial(_ExactSum, power)  # the types know of results that are integers only
        connection.create_aggregate(name, 1, exact)


def _begin(connection: sa.Connection) -> None:
    # A transaction that begins by reading could fail when it first writes; this one waits at its begin.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _crc32(value: str | int | None) -> int | None:
    """As MySQL's CRC32: of a number's decimal digits, of a string's UTF-8."""
    return None if value is None else zlib.crc32(str(value).encode())


class _ExactSum:
    """The sum of powers of integers, or of texts that are such, without a limit; the result is a text."""

    def __init__(self, power: int) -> None:
        self._power = power
        self._sum = 0

    def step(self, value: str | int) -> None:
        self._sum += int(value) ** self._power

    def finalize(self) -> str:
        return str(self._sum)
