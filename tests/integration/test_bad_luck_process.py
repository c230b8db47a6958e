"""Exports that are stopped, killed, or started while another one is at work; and clocks that disagree."""

import os
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from itertools import count

import pytest

from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.upgrade import upgrade
from support import badproxy
from support.cli import Ran, Running, start, until
from support.exports import archived_rows, make_job
from support.sites import Site, old_rows
from support.tcpproxy import TcpProxy, freeze, meanwhile, tcp_proxy_before

ROWS = old_rows(each=100, days=4)

#: Statements between which a run does all its work.
STEPS = [
    b"INSERT INTO sm_lease",
    b"SELECT channel,year,month",
    b"INSERT INTO sm_archive_object",
    b"DELETE FROM Facts WHERE creationDate",
    b"UPDATE sm_archive_part",
]


@pytest.fixture
def site(site) -> Site:
    """With rows, and tables of ours."""
    site.iotdb.insert(ROWS)
    upgrade(site.iotdb.database)
    return site


@pytest.fixture
def proxy(site) -> Iterator[TcpProxy]:
    """Between the program and the server."""
    with tcp_proxy_before("127.0.0.1", site.iotdb.server.port) as proxy:
        yield proxy


def test_a_second_export_says_who_is_at_work_and_leaves_it_alone(site, bad_proxy):
    second: list[Ran] = []
    bad_proxy.plan("PUT", *[badproxy.pass_on] * 2, badproxy.meanwhile(lambda: second.append(site.export())))
    running = site.start(AWS_ENDPOINT=bad_proxy.url)
    first = running.wait()
    (other,) = second
    assert other.status == 3
    assert f"Another export is at work: {socket.gethostname()}, process {running.process.pid} (" in other.sentence
    assert "If that process is dead, its lease ends in" in other.sentence
    assert (first.status, first.sentences) == (0, [])
    site.check_complete(ROWS)


@pytest.mark.parametrize(("pace", "more"), [({}, 0), ({"EXPORT_MAXROWSPERSECOND": "1000000"}, 10)])
@pytest.mark.parametrize("command", ["export", "run-job export"])
def test_an_export_with_a_pace_lets_others_of_its_machine_go_first(site, bad_proxy, command, pace, more):
    seen: list[int] = []
    look = badproxy.meanwhile(lambda: seen.append(os.getpriority(os.PRIO_PROCESS, running.process.pid)))
    bad_proxy.plan("PUT", *[badproxy.pass_on] * 2, look)
    environ = {**site.environ, "AWS_ENDPOINT": bad_proxy.url, **pace}
    running = start(*command.split(), environ=environ, folder=site.folder)
    assert running.wait().status == 0
    assert seen == [os.getpriority(os.PRIO_PROCESS, 0) + more]


def test_a_dry_run_may_look_while_an_export_is_at_work(site, bad_proxy):
    second: list[Ran] = []
    look = badproxy.meanwhile(lambda: second.append(site.export("--dry-run", "--json")))
    bad_proxy.plan("PUT", *[badproxy.pass_on] * 2, look)
    assert site.export(AWS_ENDPOINT=bad_proxy.url).status == 0
    assert second[0].status == 0
    assert second[0].document["rows"] == len(ROWS)
    site.check_complete(ROWS)


def signalled(site: Site, proxy: TcpProxy, word: bytes, number: int, *, passed: int = 0, **environ: str) -> Ran:
    """What becomes of an export that gets the signal `number` when it has sent `word` `passed` times already."""
    runs: list[Running] = []
    left = count(passed, -1)

    def send() -> None:
        if next(left) == 0:
            until(lambda: runs)
            runs[0].process.send_signal(number)

    proxy.trap(word, meanwhile(send), times=sys.maxsize)
    runs.append(site.start(MYSQL_PORT=proxy.port, **environ))
    return runs[0].wait(patience=25)


STOPPED = "servicemanager: The run was asked to stop: what was begun is finished, and the next run goes on from here."


@pytest.mark.parametrize(("step", "number"), [*((step, signal.SIGTERM) for step in STEPS), (STEPS[1], signal.SIGINT)])
def test_a_signal_ends_a_run_at_the_next_safe_place(site, proxy, step: bytes, number: int):
    ran = signalled(site, proxy, step, number)
    assert (ran.status, ran.sentences) == (1, [STOPPED])
    assert archived_rows(site.store) <= Counter(ROWS) <= site.everything()
    site.finish(ROWS)


@pytest.mark.parametrize("seed", range(2))
def test_a_signal_at_any_moment_ends_a_run_and_the_next_one_completes(site, proxy, seed: int):
    moment = random.Random(seed).randrange(20, 90)  # noqa: S311 -- of the hundred messages that a run sends
    ran = signalled(site, proxy, b"", signal.SIGTERM, passed=moment)
    assert ran.status in {0, 1, -signal.SIGTERM}
    assert archived_rows(site.store) <= Counter(ROWS) <= site.everything()
    site.finish(ROWS)


def test_a_signal_ends_a_run_that_waits_for_a_silent_server(site, proxy):
    proxy.trap(b"SELECT channel,year,month", freeze)
    running = site.start(MYSQL_PORT=proxy.port)
    until(lambda: proxy.sprung)
    running.process.send_signal(signal.SIGTERM)
    assert running.wait(patience=25).status == 4
    site.check_untouched(ROWS)
    site.expire_lease()
    site.finish(ROWS)


def test_a_second_signal_ends_a_run_at_once(site, proxy):
    proxy.trap(b"SELECT channel,year,month", freeze)
    running = site.start(MYSQL_PORT=proxy.port)
    until(lambda: proxy.sprung)
    running.process.send_signal(signal.SIGINT)
    running.process.send_signal(signal.SIGTERM)
    assert running.wait(patience=4).status in {128 + signal.SIGINT, 128 + signal.SIGTERM}
    site.check_untouched(ROWS)
    site.expire_lease()
    site.finish(ROWS)


def test_until_a_killed_runs_lease_ends_the_next_one_says_who_had_it(site, proxy):
    signalled(site, proxy, b"INSERT INTO sm_archive_object", signal.SIGKILL, CLUSTER_LEASE="20s")
    ran = site.export()
    assert ran.status == 3
    assert "Another export is at work" in ran.sentence
    site.expire_lease()
    site.finish(ROWS)


class SkewedDatabase(Database):
    """Its clock goes wrong by two hours."""

    def now(self, connection):
        return super().now(connection) + timedelta(hours=2)


def test_a_clock_that_differs_from_the_databases_is_told_and_the_databases_counts(site):
    database = SkewedDatabase(**{field.name: getattr(site.iotdb.database, field.name) for field in fields(Database)})
    plan = make_job(replace(site.iotdb, database=database), site.store, site.staging).plan()
    assert plan.notices == (
        "This machine's clock and the database's differ by 7200 seconds: the database's decides what is due.",
    )
    assert make_job(site.iotdb, site.store, site.staging).plan().notices == ()
