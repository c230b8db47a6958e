"""Messages: commands queued for devices; those that are due are counted by group and deleted by primary key."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from servicemanager.errors import DatabaseRefused
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.spelling import literal
from servicemanager.iotdb.stored import StoredTime, stored_time

NAME = "Messages"
_COLUMNS = ("ID", "device", "delivery_type", "readDate", "creationDate")


class Kind(StrEnum):
    """Which messages a rule is about."""

    READ = "read"
    #: Never fetched by their device, which will not get them any more.
    UNREAD = "unread"
    #: Delivered at every poll: deleting one changes what its device does.
    PERSISTENT = "persistent"


@dataclass(frozen=True)
class Rule:
    """Messages of one kind that were read, or if they are unread came, before an instant."""

    kind: Kind
    before: datetime


@dataclass(frozen=True)
class Block:
    """Messages that are due, numbered from `first` to `last`."""

    first: int
    last: int
    by_group: Counter[str]

    @property
    def dense(self) -> bool:
        """Whether at least every other number is that of a message which is due."""
        return self.last - self.first < 2 * self.by_group.total()


class Messages:
    """Reads the table; deletes within the caller's transaction, which the caller fences."""

    def __init__(self, database: Database, times: dict[str, StoredTime]) -> None:
        self._database = database
        self._times = times

    @classmethod
    def open(cls, database: Database, datetime_zone: str) -> Messages:
        """Raises DatabaseRefused where the table is not the platform's."""
        with database.reading() as connection:
            try:
                columns = {column["name"]: column["type"] for column in sa.inspect(connection).get_columns(NAME)}
            except sa.exc.NoSuchTableError as error:
                raise DatabaseRefused(
                    f"There is no table {NAME} at {database.place}: check MYSQL_DATABASE, and the rights of the user."
                ) from error
        if missing := [name for name in _COLUMNS if name not in columns]:
            raise DatabaseRefused(f"The table {NAME} at {database.place} lacks the column {', '.join(missing)}.")
        return cls(database, {name: stored_time(columns[name], datetime_zone) for name in ("readDate", "creationDate")})

    def count_by_group(self, connection: sa.Connection, rule: Rule) -> Counter[str]:
        """Messages that are due, by the group of their device; an unknown device and one that waits have none."""
        return self._by_group(connection, f"SELECT ID, device FROM {NAME} WHERE {self._where(rule)}").by_group

    def count(self, connection: sa.Connection, rule: Rule) -> int:
        """Messages that are due: cheaper than by group."""
        return int(connection.exec_driver_sql(f"SELECT COUNT(*) FROM {NAME} WHERE {self._where(rule)}").scalar_one())

    def next_block(self, connection: sa.Connection, rule: Rule, after: int, size: int) -> Block | None:
        """The next messages, at most `size`, that are due and numbered beyond `after`; None where there are none."""
        found = self._by_group(connection, f"SELECT ID, device {self._next(rule, after)} LIMIT {size}")
        return found if found.by_group else None

    def end_of_chunk(self, connection: sa.Connection, rule: Rule, after: int, size: int) -> int | None:
        """The number of the last of the next `size` messages."""
        query = f"SELECT MAX(ID) FROM (SELECT ID {self._next(rule, after)} LIMIT {size}) AS chunk"
        found = connection.exec_driver_sql(query).scalar_one()
        return None if found is None else int(found)

    def delete(self, tx: sa.Connection, rule: Rule, after: int, last: int) -> int:
        where = f"ID > {after} AND ID <= {last} AND {self._where(rule)}"
        return tx.exec_driver_sql(f"DELETE FROM {NAME} WHERE {where}").rowcount

    def _next(self, rule: Rule, after: int) -> str:
        return f"FROM {NAME} WHERE ID > {after} AND {self._where(rule)} ORDER BY ID"

    def _where(self, rule: Rule) -> str:
        column = "creationDate" if rule.kind is Kind.UNREAD else "readDate"
        delivery = "PERSISTENT" if rule.kind is Kind.PERSISTENT else "TRANSIENT"
        conditions = [
            f"delivery_type = '{delivery}'",
            f"{column} < {literal(self._times[column].to_stored(rule.before))}",
            *(["readDate IS NULL"] if rule.kind is Kind.UNREAD else []),
        ]
        return " AND ".join(conditions)

    def _by_group(self, connection: sa.Connection, due: str) -> Block:
        """The messages that `due` selects, by group; of no number where there are none."""
        # By device first: most have several messages, and each is looked up but once. By its bytes, for a collation
        # makes the server weigh each name; two that it takes for one are of one group in the end.
        name = "CAST(device AS BINARY)" if self._database.dialect == "mysql" else "device"
        numbers = "COUNT(*) AS number, MIN(ID) AS first, MAX(ID) AS last"
        devices = f"SELECT MIN(device) AS device, {numbers} FROM ({due}) AS due GROUP BY {name}"
        query = (
            "SELECT COALESCE(r.device_group,'') AS name, SUM(number), MIN(first), MAX(last) "
            f"FROM ({devices}) AS devices LEFT JOIN Registration r ON r.device = devices.device GROUP BY name"
        )
        rows = connection.exec_driver_sql(query).all()
        by_group = Counter({str(name): int(number) for name, number, *_ in rows})
        first, last = min((row[2] for row in rows), default=0), max((row[3] for row in rows), default=0)
        return Block(first, last, by_group)
