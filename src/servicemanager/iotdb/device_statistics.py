"""DeviceStatistics: the table by which the gateway decides which readings it throws away.

It is only ever replaced as a whole, within one transaction: a reader sees the old rows or the new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from servicemanager.errors import DatabaseRefused
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.platform_tables import device_statistics as _table
from servicemanager.iotdb.spelling import literal
from servicemanager.iotdb.stored import StoredTime, stored_time

NAME = "DeviceStatistics"
_COLUMNS = ("device", "sensor", "average", "deviation", "error", "creationDate")


@dataclass(frozen=True, slots=True)
class Line:
    """One row, as the gateway reads it."""

    device: bytes
    sensor: int
    average: float
    deviation: float
    error: float


class DeviceStatistics:
    """Reads the table; writes within the caller's transaction, which the caller fences."""

    def __init__(self, database: Database, time: StoredTime, *, keyed: bool = False) -> None:
        self._database = database
        self._time = time
        # Under its collation a key may take the names of two devices for one; the first of them gets the row.
        self._verb = "INSERT IGNORE INTO" if keyed else "INSERT INTO"

    @classmethod
    def open(cls, database: Database, datetime_zone: str) -> DeviceStatistics:
        """Raises DatabaseRefused where there is no such table, or none that is replaced in one transaction."""
        with database.reading() as connection:
            inspector = sa.inspect(connection)
            if NAME in inspector.get_view_names():
                raise DatabaseRefused(f"{NAME} at {database.place} is a view: statistics need a table of that name.")
            try:
                columns = {column["name"]: column["type"] for column in inspector.get_columns(NAME)}
            except sa.exc.NoSuchTableError as error:
                raise DatabaseRefused(
                    f"There is no table {NAME} at {database.place}: check MYSQL_DATABASE, and the rights of the user."
                ) from error
            if missing := [name for name in _COLUMNS if name not in columns]:
                raise DatabaseRefused(f"The table {NAME} at {database.place} lacks the column {', '.join(missing)}.")
            _check_engine(database, connection)
            keyed = database.dialect == "mysql" and _has_key(inspector)
        return cls(database, stored_time(columns["creationDate"], datetime_zone), keyed=keyed)

    def lines(self, connection: sa.Connection) -> Iterator[Line]:
        """By device, in the order of its bytes, and sensor, as they arrive."""
        mysql = self._database.dialect == "mysql"
        device = "CAST(CONVERT(device USING utf8mb4) AS BINARY)" if mysql else "CAST(device AS BLOB)"
        query = f"SELECT {device} AS name,sensor,average,deviation,error FROM {NAME} ORDER BY name,sensor"
        for name, *numbers in connection.execution_options(stream_results=True).exec_driver_sql(query):
            yield Line(bytes(name), *numbers)

    def clear(self, tx: sa.Connection) -> int:
        """Delete every row, and return how many there were."""
        return tx.exec_driver_sql(f"DELETE FROM {NAME}").rowcount

    def insert(self, tx: sa.Connection, lines: Sequence[Line], now: datetime) -> int:
        """Return how many the table took: all, unless its key takes the names of two devices for one."""
        form = "(CAST(X'{}' AS TEXT),{},{!r},{!r},{!r},{})" if self._database.dialect == "sqlite" else _MYSQL_LINE
        stamp = literal(self._time.to_stored(now))
        values = ",".join(
            form.format(line.device.hex(), line.sensor, line.average, line.deviation, line.error, stamp)
            for line in lines
        )
        return tx.exec_driver_sql(f"{self._verb} {NAME} ({','.join(_COLUMNS)}) VALUES {values}").rowcount


_MYSQL_LINE = "(_utf8mb4 X'{}',{},{!r},{!r},{!r},{})"


def published_of(
    connection: sa.Connection, device: str, time: StoredTime, now: datetime
) -> dict[int, tuple[Line, datetime | None]]:
    """The rows of one device by sensor, and when each was published; asked for as the gateway does at each reading."""
    query = sa.select(*(_table.c[name] for name in _COLUMNS)).where(_table.c.device == device)
    found: dict[int, tuple[Line, datetime | None]] = {}
    for name, sensor, average, deviation, error, stored in connection.execute(query):
        if name == device and sensor is not None:
            at = time.to_instant(stored, now) if isinstance(stored, datetime) else None
            found[sensor] = Line(name.encode(), sensor, average, deviation, error), at
    return found


def _has_key(inspector: sa.Inspector) -> bool:
    """Whether no two rows may have one device and one sensor; the platform's own table has no such key."""
    keys: list[Sequence[str | None]] = [inspector.get_pk_constraint(NAME)["constrained_columns"]]
    keys += [index["column_names"] for index in inspector.get_indexes(NAME) if index["unique"]]
    return any(key and {*key} <= {"device", "sensor"} for key in keys)


def _check_engine(database: Database, connection: sa.Connection) -> None:
    if database.dialect == "sqlite":
        return
    query = "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :name"
    engine = connection.execute(sa.text(query), {"name": NAME}).scalar_one()
    if engine != "InnoDB":
        raise DatabaseRefused(
            f"The table {NAME} at {database.place} is kept by {engine}, where the gateway would see it half-written: "
            f"ALTER TABLE {NAME} ENGINE=InnoDB"
        )
