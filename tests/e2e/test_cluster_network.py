"""Cables that are pulled out, fall silent or become slow, and a database that goes away: one leads, whoever can."""

from __future__ import annotations

import time

import pytest

from support.cable import Trunk
from support.cli import until
from support.instance import SLAVE
from support.mariadb import restart

#: With a lease that a busy machine does not lose, where nobody may take over.
unhurried = pytest.mark.parametrize("cluster", [6.0], indirect=True, ids=["lease of 6 s"])


@pytest.mark.parametrize("spoil", [Trunk.pull_out, Trunk.freeze], ids=["pulled out", "silent"])
def test_a_master_that_loses_the_database_steps_down_before_another_takes_over(cluster, spoil):
    master = cluster.settle()
    began = time.monotonic()
    spoil(master.database)
    assert cluster.takeover(began, master) < cluster.crash_limit
    assert master.role() == SLAVE
    master.database.mend()
    assert cluster.settle() is not master
    assert cluster.finish().troubles == []


@unhurried
def test_a_cut_between_the_instances_alone_makes_no_second_master(cluster):
    master = cluster.settle()
    began = time.monotonic()
    cluster[0].mirror.pull_out()
    cluster[1].mirror.freeze()
    time.sleep(1.2 * cluster.lease.total_seconds())
    assert cluster.settle() is master
    assert cluster.witness.masters(began) == {master.name}
    assert cluster.finish().troubles == []


@unhurried
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


def test_when_the_database_starts_anew_one_leads_again_and_goes_on(cluster):
    for crash in (False, True):
        restart(cluster.server, crash=crash)
        cluster.settle()
        done = cluster.purged()
        until(lambda done=done: cluster.purged() > done)
    assert cluster.finish().troubles == []
