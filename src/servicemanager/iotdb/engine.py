"""One door to the database, whichever of the two dialects it speaks.

Every session reads and writes in UTC under READ COMMITTED, waits at most a second for a lock, and is
dropped by the server when it stays silent for a third of a lease, so that a frozen process keeps no lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn
from uuid import uuid4

import sqlalchemy as sa

from servicemanager.iotdb import tables
from servicemanager.iotdb.failures import translating

#: The server waits for an hour until it may send the next rows, or hears of us again when it has sent them all.
_BE_PATIENT = "SET SESSION net_write_timeout=3600, wait_timeout=3600"

Dialect = Literal["mysql", "sqlite"]


@dataclass(frozen=True)
class Database:
    """Thread-safe; connections come from one bounded pool."""

    engine: sa.Engine
    dialect: Dialect
    #: Where it is, for messages: never with a password.
    place: str
    #: The account that the server takes us for, as a GRANT names it; empty where there are no accounts.
    account: Callable[[], str] = str

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A short transaction that may write: committed at the end, rolled back on any exception.

        Raises DatabaseUnreachable where the answer to COMMIT was lost too: whoever must know reads again.
        """
        with translating(self.place, self.account()), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection in autocommit: each statement sees what is committed, and nothing stays locked."""
        with translating(self.place, self.account()), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def reading_at_leisure(self) -> Iterator[sa.Connection]:
        """As `reading`, of a server that has to wait for whoever works on the rows."""
        with self.reading() as connection:
            connection.exec_driver_sql(_BE_PATIENT)
            try:
                yield connection
            finally:
                # Whoever is frozen in a transaction must lose it soon, so no other use may find a session so patient;
                # and what was not read may still be on its way.
                connection.invalidate()

    @contextmanager
    def pinned(self) -> Iterator[Database]:
        """This database as `snapshot` shows it: whatever is read through what is yielded is of one moment.

        It is one connection, so that only one thread may read, and one thing at a time; nothing can be written.
        """
        with self.snapshot() as connection:
            yield _Pinned(self.engine, self.dialect, self.place, self.account, connection=connection)

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A connection whose readings all see the database of one moment, however long they take; nothing is locked.

        The moment is that of the first one.
        """
        with translating(self.place, self.account()), self.engine.connect() as connection:
            if self.dialect == "sqlite":
                # Rolled back when the connection is given back, like everything that was not committed.
                connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("BEGIN DEFERRED")
                yield connection
                return
            link: Any = connection.connection.driver_connection
            try:
                with connection.execution_options(isolation_level="REPEATABLE READ").begin():
                    # Whoever reads may write elsewhere meanwhile, and let the server wait, with the next rows or, once
                    # all are on their way, with the next statement.
                    connection.exec_driver_sql(_BE_PATIENT)
                    yield connection
            finally:
                # What was not used up would be read on when it is cleared away, though nobody may be there.
                if result := link._result:  # noqa: SLF001 -- PyMySQL has no public way
                    result.unbuffered_active = False
                    link._result = None  # noqa: SLF001
                # Whoever is frozen in a transaction must lose it soon, so no other use may find a session so patient.
                connection.invalidate()

    def now(self, connection: sa.Connection) -> datetime:
        """The database's clock, in UTC. The embedded database has this machine's."""
        if self.dialect == "sqlite":
            return datetime.now(UTC)
        return connection.execute(sa.text("SELECT UTC_TIMESTAMP(6)")).scalar_one().replace(tzinfo=UTC)

    def close(self) -> None:
        self.engine.dispose()


@dataclass(frozen=True)
class _Pinned(Database):
    connection: sa.Connection = field(kw_only=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with translating(self.place, self.account()):
            yield self.connection

    reading_at_leisure = reading

    def transaction(self) -> NoReturn:
        raise TypeError("A moment that has passed can't be written to.")


def database_uuid(database: Database) -> str:
    """The name that this database bears in its archive; given once, when it is first asked for."""
    insert = tables.meta.insert().prefix_with("IGNORE", dialect="mysql").prefix_with("OR IGNORE", dialect="sqlite")
    with database.transaction() as connection:
        found = read_meta(connection, "database_uuid")
        if found is None:
            connection.execute(insert.values(name="database_uuid", value=str(uuid4())))
            found = read_meta(connection, "database_uuid")
    assert found is not None  # noqa: S101 -- it was inserted above, by us or by another instance
    return found


def read_meta(connection: sa.Connection, name: str) -> str | None:
    query = sa.select(tables.meta.c.value).where(tables.meta.c.name == name)
    return connection.execute(query).scalar_one_or_none()


def write_meta(connection: sa.Connection, name: str, value: str) -> None:
    connection.execute(tables.meta.delete().where(tables.meta.c.name == name))
    connection.execute(tables.meta.insert().values(name=name, value=value))
