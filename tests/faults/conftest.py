"""The worlds in which exports meet their faults."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import stamina

from servicemanager.iotdb.upgrade import upgrade
from support.faults_export import Export, Place
from support.faults_process import workers  # noqa: F401 -- a fixture
from support.faults_world import World
from support.iotdb import ZONE, Iotdb, facts_ddl, mysql_iotdb, reading, sqlite_iotdb


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """In memory where there is such a place: nobody cuts the power here."""
    memory = Path("/dev/shm")  # noqa: S108 -- the system's own name for it
    with tempfile.TemporaryDirectory(prefix="sm-faults-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def impatient() -> Iterator[None]:
    """A purge that tries again does so at once."""
    with stamina.set_testing(True, attempts=8, cap=True):
        yield


@pytest.fixture
def empty_world(request, fast_folder) -> Iterator[World]:
    """Its parameter names a database and a store, such as "mariadb, s3"."""
    database, store = request.param.split(", ")
    iotdb = _server(request) if database == "mariadb" else sqlite_iotdb(fast_folder / "iotdb.sqlite")
    upgrade(iotdb.database)
    bucket = f"s3://{request.getfixturevalue('s3_bucket')}/passagem/" if store == "s3" else None
    access = request.getfixturevalue("s3_access") if store == "s3" else None
    (fast_folder / "staging").mkdir()
    place = Place(
        database=iotdb.login or iotdb.path,
        archive=bucket or f"file://{fast_folder}/archive/",
        access=access,
        staging=fast_folder / "staging",
        today=datetime.now(ZoneInfo(ZONE)).date(),
    )
    yield World(place, iotdb)
    iotdb.database.close()


def _server(request) -> Iotdb:
    return mysql_iotdb(request.getfixturevalue("mysql_server"), request.getfixturevalue("mysql_database"), facts_ddl())


@pytest.fixture
def new_world(empty_world) -> World:
    """Two old days, and nothing was ever exported."""
    empty_world.insert(readings(empty_world.place, 2) + readings(empty_world.place, 1) + readings(empty_world.place, 0))
    empty_world.keep()
    return empty_world


@pytest.fixture
def world(empty_world) -> World:
    """Three old days: one purged and one archived, both with late rows, and one that is new."""
    place = empty_world.place
    purged, archived = readings(place, 3), readings(place, 2)
    empty_world.insert(purged + archived)
    Export(place, before=place.day(2)).run()
    Export(place, purge=False, before=place.day(1)).run()
    empty_world.insert([*purged[:2], late(place, 3), *archived[-3:], late(place, 2)])
    empty_world.insert(readings(place, 1) + readings(place, 0))
    empty_world.keep()
    return empty_world


def readings(place: Place, days_ago: int, number: int = 20) -> list:
    """Each twice, and enough of them for three slices."""
    begin = place.midnight(days_ago)
    pairs = [
        reading(begin + timedelta(hours=n), device=f"board {n % 3}", sensor=n % 2, data=n) for n in range(number // 2)
    ]
    return pairs * 2


def late(place: Place, days_ago: int, number: int = 0) -> tuple:
    """A reading that nobody has seen before, in the middle of the day's rows."""
    return reading(place.midnight(days_ago) + timedelta(hours=5, seconds=number), device="a late board", data=number)
