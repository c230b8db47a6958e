"""A database for leases, and the holders in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from servicemanager.cluster.lease import Lease, acquire
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.mysql import open_mysql
from servicemanager.iotdb.sqlite import open_sqlite
from servicemanager.iotdb.upgrade import upgrade

from .iotdb import mysql_login

NAME = "job:export"
MINUTE = timedelta(minutes=1)
#: The duration of a lease that has expired when it is taken.
OVER = timedelta(0)


@contextmanager
def lease_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """One with our tables, of the dialect that is the fixture's parameter; its sessions wait a moment for locks."""
    if request.param == "sqlite":
        made = open_sqlite(tmp_path / "iotdb.sqlite")
        made.engine.dispose()
        sa.event.listen(made.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=300"))
    else:
        name = request.getfixturevalue("mysql_database")
        made = open_mysql(mysql_login(request.getfixturevalue("mysql_server"), name))
    try:
        upgrade(made)
        yield made
    finally:
        made.close()


def take(database: Database, holder: str = "a", duration: timedelta = MINUTE, **options) -> Lease:
    return acquire(database, NAME, holder, duration, **options)
