"""Rows out of the database as one Arrow table, by the fastest way that each dialect has.

MySQL and MariaDB are read by connectorx, whose decoder is native. SQLite is read by Python's own module:
connectorx brings a second copy of the SQLite library, and two copies in one process break each other's
file locks (sqlite.org, "How To Corrupt An SQLite Database File", section 2.2.1).
"""

from __future__ import annotations

import pyarrow as pa
import sqlalchemy as sa

from servicemanager.errors import DatabaseUnreachable
from servicemanager.iotdb.columns import COLUMNS, STORED, STRINGS
from servicemanager.iotdb.engine import Database

#: The columns as they are, and the time as stored.
READ_SCHEMA = pa.schema(
    [(name, pa.string() if name in STRINGS else pa.int64()) for name in COLUMNS] + [(STORED, pa.int64())]
)
_BATCH_ROWS = 65_536
_SESSION = ["SET time_zone='+00:00'", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"]


def read_mysql(database: Database, query: str) -> pa.Table:
    """Raises DatabaseUnreachable when the server can't be reached or goes away."""
    import connectorx

    with database.reading() as connection:  # connectorx would try a dead server for half a minute
        connection.execute(sa.text("SELECT 1"))
    try:
        # Not as a stream: that waits for the server with Python's lock held, and no lease would be renewed meanwhile.
        return connectorx.read_sql(
            database.reader_url(), query, protocol="binary", return_type="arrow", pre_execution_query=_SESSION
        )
    except BaseException as error:
        # A connection that dies in mid-stream panics, and a panic is no Exception.
        if type(error).__name__ == "PanicException" or isinstance(error, RuntimeError):
            raise DatabaseUnreachable(
                f"The database at {database.place} broke the connection while rows were read: the next run goes on."
            ) from error
        raise


def read_sqlite(database: Database, query: str) -> pa.Table:
    tables = [READ_SCHEMA.empty_table()]
    with database.reading() as connection:
        cursor = connection.exec_driver_sql(query).cursor
        assert cursor is not None  # noqa: S101 -- a SELECT has one
        while rows := cursor.fetchmany(_BATCH_ROWS):
            tables.append(
                pa.Table.from_arrays(
                    list(map(pa.array, zip(*rows, strict=True), READ_SCHEMA.types)), schema=READ_SCHEMA
                )
            )
    return pa.concat_tables(tables)
