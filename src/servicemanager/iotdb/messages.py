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

    def count_by_group(
        self, connection: sa.Connection, rule: Rule, after: int | None = None, upto: int | None = None
    ) -> Counter[str]:
        """Messages that are due, by the group of their device; an unknown device and one that waits have none."""
        query = (
            f"SELECT COALESCE(r.device_group,'') AS name, COUNT(*) FROM {NAME} m LEFT JOIN Registration r "
            f"ON r.device = m.device WHERE {self._where(rule, after, upto)} GROUP BY name"
        )
        return Counter({str(name): int(number) for name, number in connection.exec_driver_sql(query)})

    def end_of_chunk(self, connection: sa.Connection, rule: Rule, after: int, size: int) -> int | None:
        """The number up to which, from beyond `after`, about `size` messages are due; None where there are none."""
        query = (
            f"SELECT MAX(ID) FROM (SELECT ID FROM {NAME} m WHERE {self._where(rule, after, None)} "
            f"ORDER BY ID LIMIT {size}) AS chunk"
        )
        found = connection.exec_driver_sql(query).scalar_one()
        return None if found is None else int(found)

    def delete(self, tx: sa.Connection, rule: Rule, after: int, upto: int) -> int:
        query = f"DELETE FROM {NAME} WHERE {self._where(rule, after, upto).replace('m.', '')}"
        return tx.exec_driver_sql(query).rowcount

    def _where(self, rule: Rule, after: int | None, upto: int | None) -> str:
        column = "creationDate" if rule.kind is Kind.UNREAD else "readDate"
        delivery = "PERSISTENT" if rule.kind is Kind.PERSISTENT else "TRANSIENT"
        conditions = [
            f"m.delivery_type = '{delivery}'",
            f"m.{column} < {literal(self._times[column].to_stored(rule.before))}",
            *(["m.readDate IS NULL"] if rule.kind is Kind.UNREAD else []),
            *([f"m.ID > {after}"] if after is not None else []),
            *([f"m.ID <= {upto}"] if upto is not None else []),
        ]
        return " AND ".join(conditions)
