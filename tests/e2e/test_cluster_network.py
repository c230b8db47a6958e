"""Cables that are pulled out, fall silent or become slow, and a database that goes away: one leads, whoever can."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from support.cable import Cable
from support.cli import until
from support.instance import SLAVE
from support.mariadb import restart

FAULTS = {"pulled out": Cable.pull_out, "silent": Cable.freeze}


@pytest.fixture(params=FAULTS.values(), ids=FAULTS)
def spoil(request) -> Callable[[Cable], None]:
    """Makes a cable useless."""
    return request.param


def test_a_master_that_loses_the_database_steps_down_before_another_takes_over(cluster, spoil):
    master = cluster.settle()
    began = time.monotonic()
    spoil(master.database)
    assert cluster.takeover(began, master) < cluster.crash_limit
    assert master.role() == SLAVE
    master.database.mend()
    assert cluster.settle() is not master
    assert cluster.finish().troubles == []


def test_a_cut_between_the_instances_alone_makes_no_second_master(cluster, spoil):
    master = cluster.settle()
    began = time.monotonic()
    for instance in cluster.instances:
        spoil(instance.mirror)
    time.sleep(2 * cluster.lease.total_seconds())
    assert cluster.settle() is master
    assert cluster.witness.masters(began) == {master.name}
    assert cluster.finish().troubles == []


def test_connections_that_are_reset_once_change_nothing(cluster):
    master = cluster.settle()
    began = time.monotonic()
    for _ in range(5):
        time.sleep(0.3)
        for instance in cluster.instances:
            instance.database.cut()
            instance.store.cut()
    assert cluster.settle() is master
    assert cluster.witness.masters(began) == {master.name}
    assert cluster.finish().troubles == []


@pytest.mark.parametrize("crash", [False, True], ids=["orderly", "killed"])
def test_when_the_database_starts_anew_one_leads_again_and_goes_on(cluster, crash):
    restart(cluster.server, crash=crash)
    cluster.settle()
    done = cluster.purged()
    until(lambda: cluster.purged() > done)
    assert cluster.finish().troubles == []
