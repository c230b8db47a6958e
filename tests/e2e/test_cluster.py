"""Real instances on a real database: when one dies, stands still or stops, another one goes on, and only one works.

After each: no two terms committed work, nobody worked past the fence, no two pages said MASTER at once, no row is lost
or doubled, and the gateway never found its statistics empty.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping

from support.cli import until
from support.cluster import BUSY, Cluster
from support.faketime import wall_clock_off_by
from support.fence_log import Entry
from support.instance import SLAVE, Instance, processes_in


def test_when_the_masters_machine_dies_the_other_one_takes_over_and_it_comes_back_as_slave(cluster):
    master = cluster.settle()
    began = time.monotonic()
    master.crash()
    assert cluster.takeover(began, master) < cluster.crash_limit
    master.start()
    master.await_ready()
    assert cluster.settle() is not master
    assert cluster.finish().troubles == []


def test_the_children_of_a_daemon_that_was_killed_end_by_themselves(cluster):
    master = cluster.settle()
    began = time.monotonic()
    master.kill()
    assert cluster.takeover(began, master) < cluster.crash_limit
    until(lambda: not processes_in(master.folder))
    master.start()
    assert cluster.finish().troubles == []


def test_a_machine_that_stands_still_within_a_purge_keeps_no_lock_and_commits_nothing_when_it_goes_on(cluster):
    master = cluster.settle()
    freeze_within_a_purge(cluster, master.freeze)
    began = time.monotonic()
    assert cluster.takeover(began, master) < cluster.crash_limit
    old_term = max(entry.term for entry in cluster.log() if entry.name == "job:export")
    until(lambda: cluster.purged(since_term=old_term + 1))
    master.thaw()
    thawed = time.monotonic()
    until(lambda: master.role() is not None)
    assert master.role() == SLAVE
    assert time.monotonic() - thawed < BUSY
    assert cluster.finish().troubles == []
    taken = min(e.passage for e in cluster.log() if e.kind == "take" and e.name == "job:export" and e.term > old_term)
    assert max(entry.passage for entry in cluster.log() if entry.term == old_term and is_pass(entry)) <= taken


def test_a_run_that_stands_still_alone_loses_its_locks_and_its_job_but_not_the_lead(cluster):
    master = cluster.settle()
    frozen: list[int] = []

    def freeze_runs() -> None:
        frozen.extend(pid for pid in processes_in(master.folder) if pid != master.process.pid)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)

    began = time.monotonic()
    freeze_within_a_purge(cluster, freeze_runs)
    old_term = max(entry.term for entry in cluster.log() if entry.name == "job:export")
    until(lambda: master.run_job("export").wait() == 0)
    assert cluster.purged(since_term=old_term + 1)
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    until(lambda: not {*frozen} & {*processes_in(master.folder)})
    assert cluster.finish().troubles == []
    assert cluster.witness.masters(began) == {master.name}


def test_an_orderly_stop_hands_the_lead_over_at_once_though_a_run_is_at_work(cluster):
    master = cluster.settle()
    began = time.monotonic()
    assert master.stop() == 0
    assert time.monotonic() - began < 10
    assert cluster.takeover(began, master) < 2
    master.start()
    assert cluster.finish().troubles == []


def test_of_two_that_start_at_the_same_instant_one_leads_and_nobody_changes_his_mind(make_cluster):
    cluster = make_cluster(lease=6.0)
    for instance in cluster.instances:
        instance.start()
    first = cluster.settle()
    cluster.keep_exporting()
    time.sleep(1.2 * cluster.lease.total_seconds())
    assert cluster.settle() is first
    assert cluster.witness.masters(0) == {first.name}
    assert cluster.finish().troubles == []


def test_of_three_instances_one_leads_and_the_next_and_the_last_take_over(make_cluster):
    cluster = make_cluster(count=3)
    cluster.start()
    cluster.keep_exporting()
    gone = []
    for _ in range(2):
        gone.append(cluster.settle())
        began = time.monotonic()
        gone[-1].crash()
        assert cluster.takeover(began, *gone) < cluster.crash_limit
    for instance in gone:
        instance.start()
        instance.await_ready()
    assert cluster.finish().troubles == []


def test_a_wall_clock_that_is_an_hour_off_changes_nothing(make_cluster):
    cluster = make_cluster()
    wrong, right = cluster.instances
    usual = wrong.environ
    wrong.environ = {**usual, **wall_clock_off_by("+1h")}
    wrong.start()
    wrong.await_ready()
    assert cluster.settle() is wrong
    right.start()
    right.await_ready()
    cluster.keep_exporting()
    time.sleep(1.2 * cluster.lease.total_seconds())
    assert cluster.witness.masters(0) == {wrong.name}
    crash_and_return(cluster, wrong, {**usual, **wall_clock_off_by("-1h")})
    assert cluster.settle() is right
    crash_and_return(cluster, right, right.environ)
    assert cluster.settle() is wrong
    assert cluster.finish().troubles == []


def crash_and_return(cluster: Cluster, master: Instance, environ: Mapping[str, str]) -> None:
    began = time.monotonic()
    master.crash()
    assert cluster.takeover(began, master) < cluster.crash_limit
    master.environ = environ
    master.start()
    master.await_ready()


def freeze_within_a_purge(cluster: Cluster, freeze: Callable[[], None]) -> None:
    """Its transaction has passed the fence, and holds that row's lock, when `freeze` is called."""
    with cluster.row_locks() as purge_waits:
        until(purge_waits)
        freeze()


def is_pass(entry: Entry) -> bool:
    return entry.kind == "pass" and entry.name == "job:export"
