"""The real desk over a real database, with a platform whose devices do what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from servicemanager.cluster.mirror import Answer
from servicemanager.cluster.role import Role
from servicemanager.iotdb import platform_tables
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.mysql import open_mysql
from servicemanager.iotdb.sqlite import open_sqlite
from servicemanager.service.desk.desk import ServiceDesk
from servicemanager.service.handed_down import Configuration

from .fleet import HandClock, Platform
from .iotdb import ZONE, mysql_login


@dataclass
class Office:
    """The desk, what it was asked to start, and the database behind it."""

    database: Database
    platform: Platform
    configuration: Configuration
    started: list[tuple[str, str]] = field(default_factory=list)
    start: Callable[[str, str], None] | None = None
    role: Role = Role.MASTER

    def __post_init__(self) -> None:
        self.desk = ServiceDesk(
            lambda: self.configuration, lambda: (Answer(self.role, is_ours=True, words=self.role), None), self._start
        )

    def announce(self, names: list[str], minutes_ago: float = 0) -> None:
        self.platform.announce(names, datetime.now(UTC) - timedelta(minutes=minutes_ago))

    def check(self) -> None:
        """A check of the devices at this moment: what was announced before does not lie in its future."""
        self.platform.clock.now = datetime.now(UTC).replace(microsecond=0)
        self.platform.check()

    def execute(self, *statements: str) -> list:
        with self.database.transaction() as tx:
            for statement in statements:
                result = tx.exec_driver_sql(statement)
            return list(result) if result.returns_rows else []

    def _start(self, job: str, by: str) -> None:
        if self.start:
            self.start(job, by)
        self.started.append((job, by))


@contextmanager
def opened(request: pytest.FixtureRequest, tmp_path: Path, dialect: str, **environ: str) -> Iterator[Office]:
    environ = {"TZ": ZONE, **environ}
    if dialect == "sqlite":
        (tmp_path / "servicemanager-data").mkdir()
        database = open_sqlite(tmp_path / "servicemanager-data" / "iotdb.sqlite")
    else:
        name = request.getfixturevalue("mysql_database")
        server = request.getfixturevalue("mysql_server")
        database = open_mysql(mysql_login(server, name))
        environ |= {
            "MYSQL_HOST": server.host,
            "MYSQL_PORT": str(server.port),
            "MYSQL_USER": server.user,
            "MYSQL_PASSWORD": server.password,
            "MYSQL_DATABASE": name,
            "EXPORT_BUCKET": f"file://{tmp_path}/archive",
        }
    clock = HandClock(datetime.now(UTC).replace(microsecond=0))
    platform = Platform(database, clock)
    with database.transaction() as tx:
        platform_tables.platform.create_all(tx)
    office = Office(database, platform, Configuration.read(environ, tmp_path))
    try:
        yield office
    finally:
        office.desk.close()
        office.configuration.close()
        database.close()


@pytest.fixture(params=["sqlite", "mariadb"])
def office(request, tmp_path) -> Iterator[Office]:
    """Over both databases."""
    with opened(request, tmp_path, request.param) as made:
        yield made


__all__ = ["Office", "office", "opened"]
