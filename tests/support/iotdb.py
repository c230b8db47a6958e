"""Databases with a table Facts in every form that installations have, filled and compared by the tests."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from servicemanager.iotdb.columns import COLUMNS
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.mysql import Login, open_mysql
from servicemanager.iotdb.sqlite import create_platform, open_sqlite
from servicemanager.iotdb.upgrade import upgrade

from .mariadb import Server

#: A row of Facts: the twelve columns and the arrival, as a naive datetime as stored.
Row = tuple

ZONE = "America/Sao_Paulo"
MIDNIGHT = datetime(2026, 11, 20, 3, 0, 0)  # local midnight of 2026-11-20 in ZONE, in UTC
PLACEHOLDERS = ",".join(["%s"] * 13)


def reading(arrival: datetime = MIDNIGHT, **values) -> Row:
    """A plain reading that arrived at `arrival`, with some values otherwise."""
    event = arrival - timedelta(hours=3)
    row = {
        "channel": "weight",
        "year": event.year,
        "month": event.month,
        "day": event.day,
        "week_day": event.isoweekday() % 7 + 1,
        "hour": event.hour,
        "minute": event.minute,
        "second": event.second,
        "device_group": "shop 1207",
        "device": "AA:BB:CC:00:00:01",
        "sensor": 1,
        "data": 42,
        **values,
    }
    return (*(row[name] for name in COLUMNS), arrival)


def facts_ddl(
    *, kind: str = "TIMESTAMP", indexed: bool = True, nullable: bool = False, charset: str = "utf8mb4"
) -> str:
    null = "NULL" if nullable else "NOT NULL"
    columns = []
    for name in COLUMNS:
        width = {"channel": "VARCHAR(50)", "device_group": "VARCHAR(20)", "device": "VARCHAR(20)"}.get(name, "INT")
        columns.append(f"{name} {width} {null}")
    default = "NULL DEFAULT CURRENT_TIMESTAMP" if nullable else "NOT NULL DEFAULT CURRENT_TIMESTAMP"
    columns.append(f"creationDate {kind} {default}")
    columns.append("KEY calendar (channel, year, month, day, hour, minute, second, device)")
    if indexed:
        columns.append("KEY arrival (creationDate)")
    return f"CREATE TABLE Facts ({', '.join(columns)}) ENGINE=InnoDB DEFAULT CHARSET={charset}"


@dataclass
class Iotdb:
    """One database under test."""

    database: Database
    insert: Callable[[Iterable[Row]], None]
    rows: Callable[[], Counter]
    login: Login | None = None
    server: Server | None = None
    path: Path | None = None

    def facts(self) -> Facts:
        return Facts.open(self.database, ZONE)

    def execute(self, *statements: str) -> list:
        with self.database.transaction() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
            return list(result) if result.returns_rows else []

    @property
    def environ(self) -> dict[str, str]:
        """The variables that point the program at this server."""
        login = self.login
        host, port = login.hosts[0]
        return {
            "MYSQL_HOST": host,
            "MYSQL_PORT": str(port),
            "MYSQL_USER": login.user,
            "MYSQL_PASSWORD": login.password,
            "MYSQL_DATABASE": login.database,
        }


def mysql_login(server: Server, name: str, **options) -> Login:
    idle = options.pop("idle_limit", timedelta(seconds=30))
    return Login(((server.host, server.port),), server.user, name, server.password, idle_limit=idle, **options)


def mysql_iotdb(server: Server, name: str, ddl: str, **options) -> Iotdb:
    """`ddl` makes the table Facts in the empty database `name`."""
    server.execute(ddl, database=name)
    login = mysql_login(server, name, **options)

    def insert(rows: Iterable[Row]) -> None:
        with closing(server.connect(name)) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone='+00:00', sql_mode='NO_ENGINE_SUBSTITUTION'")
            cursor.executemany(f"INSERT INTO Facts VALUES ({PLACEHOLDERS})", list(rows))

    def rows() -> Counter:
        with closing(server.connect(name)) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone='+00:00'")
            cursor.execute(f"SELECT {','.join(COLUMNS)}, creationDate FROM Facts")
            return Counter(cursor.fetchall())

    return Iotdb(open_mysql(login), insert, rows, login=login, server=server)


def sqlite_iotdb(path: Path) -> Iotdb:
    database = open_sqlite(path)
    create_platform(database)

    def insert(rows: Iterable[Row]) -> None:
        with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
            connection.executemany(
                f"INSERT INTO Facts VALUES ({','.join('?' * 13)})",
                [(*row[:12], None if row[12] is None else str(row[12])) for row in rows],
            )

    def rows() -> Counter:
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            found = connection.execute(f"SELECT {','.join(COLUMNS)}, creationDate FROM Facts")
            return Counter((*row[:12], _instant(row[12])) for row in found)

    return Iotdb(database, insert, rows, path=path)


def _instant(text: str):
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


@pytest.fixture(params=["sqlite", "timestamp", "timestamp-unindexed", "datetime", "datetime-unindexed"])
def iotdb(request, tmp_path) -> Iterator[Iotdb]:
    """The same table in every form; ours are made too."""
    form = request.param
    if form == "sqlite":
        made = sqlite_iotdb(tmp_path / "iotdb.sqlite")
    else:
        name = request.getfixturevalue("mysql_database")
        ddl = facts_ddl(kind=form.split("-")[0].upper(), indexed="unindexed" not in form)
        made = mysql_iotdb(request.getfixturevalue("mysql_server"), name, ddl)
    upgrade(made.database)
    yield made
    made.database.close()


def wall(instant: datetime) -> datetime:
    """Naive, in UTC."""
    return instant.astimezone(UTC).replace(tzinfo=None)


__all__ = ["Iotdb", "Row", "facts_ddl", "iotdb", "mysql_iotdb", "mysql_login", "reading", "sqlite_iotdb", "wall"]
