"""Rows out of the database as Arrow batches, by the fastest way that each dialect has."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pymysql
from pymysql.constants import CR

from servicemanager.errors import DatabaseUnreachable
from servicemanager.iotdb import wire
from servicemanager.iotdb.columns import COLUMNS, STORED, STRINGS
from servicemanager.iotdb.engine import Database

#: The columns as they are, and the time as stored.
READ_SCHEMA = pa.schema(
    [(name, pa.string() if name in STRINGS else pa.int64()) for name in COLUMNS] + [(STORED, pa.int64())]
)
_BATCH_ROWS = 65_536


def iter_mysql(database: Database, query: str) -> Iterator[pa.RecordBatch]:
    """Strings come as in dictionaries. Raises DatabaseUnreachable when the server can't be reached or goes away."""
    with database.reading_at_leisure() as connection:
        link = connection.connection.driver_connection
        assert isinstance(link, pymysql.Connection)  # noqa: S101 -- it is the driver of this dialect
        try:
            yield from wire.stream(link, query)
        except pymysql.OperationalError as error:
            if error.args[0] != CR.CR_SERVER_LOST:
                raise
            raise DatabaseUnreachable(
                f"The database at {database.place} broke the connection while rows were read: the next run goes on."
            ) from error


def iter_sqlite(database: Database, query: str) -> Iterator[pa.RecordBatch]:
    with database.reading() as connection:
        cursor = connection.exec_driver_sql(query).cursor
        assert cursor is not None  # noqa: S101 -- a SELECT has one
        while rows := cursor.fetchmany(_BATCH_ROWS):
            columns = map(pa.array, zip(*rows, strict=True), READ_SCHEMA.types)
            yield pa.RecordBatch.from_arrays(list(columns), schema=READ_SCHEMA)
