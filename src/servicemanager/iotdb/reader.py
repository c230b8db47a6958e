"""Rows out of the database as Arrow tables, by the fastest way that each dialect has.

MySQL and MariaDB are read by connectorx, whose decoder is native. SQLite is read by Python's own module:
connectorx brings a second copy of the SQLite library, and two copies in one process break each other's
file locks (sqlite.org, "How To Corrupt An SQLite Database File", section 2.2.1).
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import sqlalchemy as sa

from servicemanager.errors import DatabaseUnreachable
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.fingerprint import COLUMNS, STORED

_BATCH_ROWS = 65_536
_SESSION = ["SET time_zone='+00:00'", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"]


def read_mysql(database: Database, query: str) -> Iterator[pa.Table]:
    """Raises DatabaseUnreachable when the server can't be reached or goes away."""
    import connectorx

    with database.reading() as connection:  # connectorx would try a dead server for half a minute
        connection.execute(sa.text("SELECT 1"))
    try:
        # Not as a stream: that waits for the server with Python's lock held, and no lease would be renewed meanwhile.
        rows = connectorx.read_sql(
            database.reader_url(), query, protocol="binary", return_type="arrow", pre_execution_query=_SESSION
        )
    except BaseException as error:
        # A connection that dies in mid-stream panics, and a panic is no Exception.
        if type(error).__name__ == "PanicException" or isinstance(error, RuntimeError):
            raise DatabaseUnreachable(
                f"The database at {database.place} broke the connection while rows were read: the next run goes on."
            ) from error
        raise
    for start in range(0, rows.num_rows, _BATCH_ROWS):
        yield rows.slice(start, _BATCH_ROWS)


def read_sqlite(database: Database, query: str) -> Iterator[pa.Table]:
    names = [*COLUMNS, STORED]
    with database.reading() as connection:
        cursor = connection.exec_driver_sql(query).cursor
        assert cursor is not None  # noqa: S101 -- a SELECT has one
        while rows := cursor.fetchmany(_BATCH_ROWS):
            yield pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
