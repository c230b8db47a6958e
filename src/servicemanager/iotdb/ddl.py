"""Changes of tables that others have in use: they wait a second at most, because inserts wait behind whoever waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from servicemanager.errors import ServiceManagerError
from servicemanager.iotdb.engine import Database


@contextmanager
def locked(database: Database, table: str) -> Iterator[sa.Connection]:
    """Nobody else reads or writes `table` meanwhile; the connection can use no other. Raises DatabaseBusy."""
    with database.reading() as connection:
        try:
            connection.exec_driver_sql(f"LOCK TABLES {table} WRITE")
            yield connection
            connection.exec_driver_sql("UNLOCK TABLES")
        except BaseException:
            connection.invalidate()  # whatever has become of it: when it is closed, the server lets its locks go
            raise


def in_the_way(database: Database) -> str:
    """A sentence about the longest transaction, as far as the user may see it."""
    query = (
        "SELECT p.ID, p.USER, p.HOST, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) FROM information_schema.INNODB_TRX t "
        "JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id "
        "WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID() ORDER BY t.trx_started LIMIT 1"
    )
    try:
        with database.reading() as connection:
            found = connection.exec_driver_sql(query).first()
    except ServiceManagerError:
        return "Which one can be seen with the right PROCESS only: SHOW PROCESSLIST as an administrator names it."
    if found is None:
        return "It has ended meanwhile: try again."
    number, user, host, seconds = found
    return (
        f"The longest one is that of connection {number}, user {user} from {host}, {seconds} seconds old: wait for its "
        f"end, or end it with KILL {number}."
    )
