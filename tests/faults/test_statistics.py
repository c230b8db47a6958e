"""Statistics and exports that die at any step, in any order: every reading counts once, and the table stays whole."""

from __future__ import annotations

import threading
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from servicemanager.archive.objects import open_store
from servicemanager.archive.proof import Stores
from servicemanager.config import Guard
from servicemanager.iotdb import rollups
from servicemanager.iotdb.facts import Facts
from servicemanager.jobs.job import JobResult, Silence
from servicemanager.jobs.runner import Runner
from servicemanager.statistics.job import StatisticsJob
from servicemanager.statistics.tools import Wishes
from support.faults import Steps, WatchedFacts, watch_sql
from support.faults_export import LEASE
from support.faults_process import Killed
from support.faults_world import patiently
from support.iotdb import ZONE
from support.statistics import DDL, expected, moments, moments_of_rows, published

COMBINATIONS = ["sqlite, folder", "mariadb, folder"]
OLD = "INSERT INTO DeviceStatistics (device, sensor, average, deviation, error) VALUES ('old', 1, 1, 1, 1)"


class Death(BaseException):
    """Nothing of the program catches it."""


def die(_):
    raise Death


@pytest.fixture
def filtered_world(old_world):
    """With the table that the gateway reads."""
    if old_world.iotdb.database.dialect == "mysql":
        old_world.iotdb.execute(DDL)
    return old_world


def run_statistics(world, steps: Steps, *, rebuild: bool = False) -> JobResult:
    database = world.place.open_database()
    try:
        watch_sql(database, steps)
        facts = WatchedFacts(Facts.open(database, ZONE), database, steps)
        wishes = Wishes(days=0, guard=Guard.REPORT, rebuild=rebuild)
        stores = Stores(world.store, open_store)
        job = StatisticsJob(database, facts, ZoneInfo(ZONE), ZONE, stores, wishes)
        return Runner(database, LEASE, Silence(), threading.Event()).run(job)
    finally:
        database.close()


def assert_right(world) -> None:
    assert moments(world.iotdb) == moments_of_rows(world.rows), "readings are lost or counted twice"
    assert published(world.iotdb) == {
        pair: pytest.approx(figures, rel=1e-5) for pair, figures in expected(world.rows).items()
    }


@pytest.mark.parametrize("rebuild", [False, True], ids=["nightly", "rebuild"])
@pytest.mark.parametrize("empty_world", COMBINATIONS, indirect=True)
def test_statistics_that_die_at_any_step_leave_the_old_table_or_the_new_one(
    filtered_world, thinned, rebuild, subtests, monkeypatch
):
    world, undisturbed = filtered_world, Steps()
    monkeypatch.setattr(rollups, "MANY_SOURCES", 0)  # so that blocks are put together, too
    run_statistics(world, undisturbed, rebuild=rebuild)
    whole = published(world.iotdb)
    assert len(undisturbed.seen) > 50
    for step in thinned(undisturbed.seen, 16):
        with subtests.test(died=str(step)):
            world.begin()
            world.iotdb.execute("DELETE FROM DeviceStatistics", OLD)
            with pytest.raises(Death):
                run_statistics(world, Steps({step.number}, die), rebuild=rebuild)
            assert published(world.iotdb) in ({("old", 1): (1.0, 1.0, 1.0)}, whole)
            world.expire_lease()
            assert run_statistics(world, Steps()).problems == ()
            assert_right(world)


@pytest.mark.parametrize("empty_world", COMBINATIONS, indirect=True)
def test_an_export_that_is_killed_at_any_step_leaves_statistics_that_are_right(
    filtered_world, workers, thinned, subtests
):
    world = filtered_world
    for step in thinned(world.steps(), 9):
        with subtests.test(killed=str(step)):
            world.begin()
            with pytest.raises(Killed):
                workers.start(world.place, step.number).result()
            assert patiently(partial(run_statistics, world, Steps())).problems == ()
            assert_right(world)
            world.finish()
            world.assert_done()
            assert run_statistics(world, Steps()).problems == ()
            assert_right(world)
