"""The keeper of the lease `master`: one master at a time, by the database's clock and each instance's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from servicemanager.cluster.keeper import Keeper, read_leader
from servicemanager.cluster.lease import own_clock
from servicemanager.cluster.mirror import Answer
from servicemanager.cluster.role import Role, Timing, WorksBy
from servicemanager.errors import DatabaseUnreachable
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.mysql import Login, open_mysql
from servicemanager.iotdb.upgrade import upgrade
from support.leases import lease_database

LEASE = timedelta(seconds=1.2)
TIMING = Timing(LEASE, LEASE * 2 / 3, LEASE / 15)
SAME = (("export.days", "10"),)


@dataclass
class Clock:
    """Our own clock, which a test can let jump, as it does for a process that was frozen."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return own_clock() + self.ahead


@dataclass
class Says:
    """A mirror that gives one answer."""

    answer: Answer
    address: str = "other:80"
    nudged: int = 0

    def ask(self) -> Answer:
        return self.answer

    def nudge(self) -> None:
        self.nudged += 1


@dataclass
class Away:
    """A database that can be out of reach."""

    database: Database
    away: bool = False
    opened: int = 0
    keepers: list[Keeper] = field(default_factory=list)

    def __call__(self) -> Database:
        self.opened += 1
        if self.away:
            raise DatabaseUnreachable("The database can't be reached.")
        return self.database


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request, tmp_path) -> Iterator[Database]:
    with lease_database(request, tmp_path) as made:
        yield made


def keeper(database: Database, name: str, settings=SAME, **options) -> Keeper:
    return Keeper(lambda: database, f"{name}, process 1", TIMING, WorksBy(f"{name}:80", settings), **options)


def wait_out(keeper: Keeper) -> None:
    """Look until the lease of somebody who fell silent has expired and was taken, or was not."""
    pause = threading.Event()
    for _ in range(40):
        pause.wait(keeper.step())
        if keeper.role is Role.MASTER:
            return


def test_the_first_takes_the_lead_and_the_second_waits(database):
    first, second = keeper(database, "a"), keeper(database, "b")
    first.step()
    second.step()
    assert (first.role, second.role) == (Role.MASTER, Role.SLAVE)
    assert second.leader.holder == "a, process 1"


def test_of_many_that_start_at_the_same_instant_one_leads(database):
    keepers = [keeper(database, f"instance {number}") for number in range(6)]
    start = threading.Barrier(len(keepers))

    def begin(one: Keeper) -> None:
        start.wait()
        one.step()

    threads = [threading.Thread(target=begin, args=(one,)) for one in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.role for one in keepers].count(Role.MASTER) <= 1
    for one in keepers:
        one.step()
    assert [one.role for one in keepers].count(Role.MASTER) == 1


def test_one_that_falls_silent_is_slave_by_its_own_clock_before_another_leads(database):
    frozen = Clock()
    first, second = keeper(database, "a", clock=frozen), keeper(database, "b")
    first.step()
    frozen.ahead = TIMING.step_down_after.total_seconds()
    assert first.role is Role.SLAVE
    second.step()
    assert second.role is Role.SLAVE
    wait_out(second)
    assert second.role is Role.MASTER
    first.step()
    assert first.role is Role.SLAVE
    assert second.term == 2


def test_an_orderly_stop_hands_over_at_once_and_tells_the_mirror(database):
    mirror = Says(Answer(Role.SLAVE, True, "SLAVE"))
    first, second = keeper(database, "a", mirror=mirror), keeper(database, "b", settings=(("export.days", "1"),))
    stop = threading.Event()
    thread = threading.Thread(target=first.run, args=(stop,))
    thread.start()
    while first.role is not Role.MASTER:
        pass
    second.step()
    assert "export.days is 1 here and 10 there" in second.trouble
    stop.set()
    first.look.set()
    thread.join()
    assert mirror.nudged == 1
    # After an orderly stop, settings may be others: that is how they are changed on both machines.
    second.step()
    assert second.role is Role.MASTER
    assert second.trouble is None


def test_one_of_other_settings_does_not_take_over_from_one_that_fell_silent(database):
    first, second = keeper(database, "a"), keeper(database, "b", settings=(("export.days", "1"),))
    first.step()
    wait_out(second)
    assert second.role is Role.SLAVE
    assert "--take-over" in second.trouble
    third = keeper(database, "b", settings=(("export.days", "1"),), take_over=True)
    third.step()
    assert third.role is Role.MASTER


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_mirror_that_says_master_keeps_us_from_the_lead_only_if_it_is_a_node(database, is_ours):
    one = keeper(database, "a", mirror=Says(Answer(Role.MASTER, is_ours, "MASTER")))
    one.step()
    assert one.role is (Role.MASTER if is_ours else Role.SLAVE)


def test_a_mirror_that_does_not_answer_makes_no_second_master(database):
    first = keeper(database, "a")
    second = keeper(database, "b", mirror=Says(Answer(None, False, "does not answer")))
    first.step()
    second.step()
    assert second.role is Role.SLAVE


def test_without_the_database_nobody_leads_and_the_lead_is_taken_anew_when_it_is_back(database):
    frozen, connect = Clock(), Away(database)
    one = Keeper(connect, "a, process 1", TIMING, WorksBy("a:80", SAME), clock=frozen)
    one.step()
    assert one.role is Role.MASTER
    connect.away = True
    one._database = None
    one.step()
    assert one.role is Role.MASTER  # for as long as nobody else can be
    assert one.trouble
    assert one.database is None
    frozen.ahead = TIMING.step_down_after.total_seconds()
    assert one.role is Role.SLAVE
    connect.away = False
    wait_out(one)
    assert one.role is Role.MASTER
    assert one.trouble is None


def test_what_a_master_works_by_is_on_record_while_it_leads(database):
    one = keeper(database, "a")
    one.step()
    with database.reading() as connection:
        assert read_leader(connection).works_by == WorksBy("a:80", SAME)


def test_the_databases_time_is_told_between_two_looks(database):
    one = keeper(database, "a")
    one.step()
    with database.reading() as connection:
        assert abs(database.now(connection) - one.time.now()) < timedelta(seconds=1)


def test_a_server_that_suddenly_refuses_writes_is_left_and_taken_again_when_it_is_writable(
    mysql_server, mysql_database
):
    account = f"'keeper_{mysql_database[-12:]}'@'%'"
    mysql_server.execute(
        f"CREATE USER {account} IDENTIFIED BY 'word'", f"GRANT ALL ON `{mysql_database}`.* TO {account}"
    )
    login = Login(((mysql_server.host, mysql_server.port),), account.split("'")[1], mysql_database, "word")

    def connect() -> Database:
        database = open_mysql(login)
        upgrade(database)
        return database

    one = Keeper(connect, "a, process 1", TIMING, WorksBy("a:80", SAME))
    try:
        one.step()
        assert one.role is Role.MASTER
        mysql_server.execute("SET GLOBAL read_only = ON")
        deadline = own_clock() + 10
        while one.role is Role.MASTER and own_clock() < deadline:
            one.step()
        assert one.role is Role.SLAVE
        assert "read-only" in one.trouble
        mysql_server.execute("SET GLOBAL read_only = OFF")
        wait_out(one)
        assert one.role is Role.MASTER
    finally:
        mysql_server.execute("SET GLOBAL read_only = OFF", f"DROP USER {account}")
        one._database.close()
