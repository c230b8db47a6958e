"""The worlds in which exports meet their faults, and which of all steps a test tries."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import stamina

from servicemanager.iotdb.upgrade import upgrade
from support.faults import Step
from support.faults_export import Export, Place
from support.faults_process import workers  # noqa: F401 -- a fixture
from support.faults_rows import late, readings
from support.faults_world import World
from support.iotdb import ZONE, Iotdb, facts_ddl, mysql_iotdb, sqlite_iotdb


@pytest.fixture
def thinned(request) -> Callable[[Sequence[Step], int], Sequence[Step]]:
    """About so many of the steps, evenly, other ones in each test; all of them where FAULTS=all."""

    def choose(steps: Sequence[Step], number: int) -> Sequence[Step]:
        if os.environ.get("FAULTS") == "all":
            return steps
        stride = max(1, len(steps) // number)
        return steps[zlib.crc32(request.node.name.encode()) % stride :: stride]

    return choose


@pytest.fixture
def impatient() -> Iterator[None]:
    """A purge that tries again does so at once."""
    with stamina.set_testing(True, attempts=8, cap=True):
        yield


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """In memory where there is such a place: nobody cuts the power here."""
    memory = Path("/dev/shm")  # noqa: S108 -- the system's own name for it
    with tempfile.TemporaryDirectory(prefix="sm-faults-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def empty_world(request, fast_folder) -> Iterator[World]:
    """Its parameter names a database and a store, such as "mariadb, s3"."""
    database, store = request.param.split(", ")
    iotdb = _server(request) if database == "mariadb" else sqlite_iotdb(fast_folder / "iotdb.sqlite")
    upgrade(iotdb.database)
    iotdb.database.close()
    archive, access = f"file://{fast_folder}/archive/", None
    if store == "s3":
        archive = f"s3://{request.getfixturevalue('s3_bucket')}/passagem/"
        access = request.getfixturevalue("s3_access")
    (fast_folder / "staging").mkdir()
    today = datetime.now(ZoneInfo(ZONE)).date()
    place = Place(iotdb.login or iotdb.path, archive, access, fast_folder / "staging", today)
    iotdb.database = place.open_database(waits=False)
    yield World(place, iotdb)
    iotdb.database.close()


def _server(request) -> Iotdb:
    return mysql_iotdb(request.getfixturevalue("mysql_server"), request.getfixturevalue("mysql_database"), facts_ddl())


def make_new(world: World) -> World:
    """Two old days, and nothing was ever exported."""
    place = world.place
    return world.keep(readings(place, 2) + readings(place, 1) + readings(place, 0))


def make_old(world: World) -> World:
    """Three old days: one was purged and one only archived, both have late rows since, and one is new."""
    place = world.place
    purged, archived = readings(place, 3), readings(place, 2)
    world.insert(purged + archived)
    Export(place, before=place.day(2)).run()
    Export(place, purge=False, before=place.day(1)).run()
    since = [*purged[:2], late(place, 3), *archived[-3:], late(place, 2)]
    return world.keep(since + readings(place, 1) + readings(place, 0))


@pytest.fixture
def new_world(empty_world) -> World:
    return make_new(empty_world)


@pytest.fixture
def old_world(empty_world) -> World:
    return make_old(empty_world)


@pytest.fixture(params=[make_new, make_old], ids=["new", "old"])
def world(request, empty_world) -> World:
    return request.param(empty_world)
