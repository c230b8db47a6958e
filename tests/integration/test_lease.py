"""Leases: one holder at a time, however many try, who steps down before another one can take over."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest
import sqlalchemy as sa

from servicemanager.cluster.lease import Lease, acquire, kept
from servicemanager.errors import DatabaseUnreachable, LeaseHeld, LeaseLost
from servicemanager.iotdb import tables
from servicemanager.iotdb.engine import Database
from support.leases import MINUTE, NAME, OVER, lease_database, take
from support.races import race, race_processes


@dataclass
class HandClock:
    """Goes on when it is told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request, tmp_path) -> Iterator[Database]:
    with lease_database(request, tmp_path) as made:
        yield made


def kinds(results: list[object]) -> Counter:
    return Counter(type(result).__name__ for result in results)


def row(database: Database) -> sa.Row:
    with database.reading() as connection:
        return connection.execute(sa.select(tables.lease).where(tables.lease.c.name == NAME)).one()


# -- Who gets it ------------------------------------------------------------------------------------------------


def test_only_one_of_many_gets_a_lease_that_nobody_ever_had(database):
    for attempt in range(3):
        results = race(lambda number, name=f"job:{attempt}": acquire(database, name, f"holder {number}", MINUTE), 8)
        assert kinds(results) == {"Lease": 1, "LeaseHeld": 7}


def test_only_one_of_many_takes_over_an_expired_lease(database):
    take(database, duration=OVER)
    results = race(lambda number: take(database, f"holder {number}"), 8)
    assert kinds(results) == {"Lease": 1, "LeaseHeld": 7}
    (lease,) = (result for result in results if isinstance(result, Lease))
    assert (lease.term, row(database).term, row(database).holder) == (2, 2, lease.holder)


_PROCESS = """
import sys
from datetime import timedelta
from pathlib import Path
from servicemanager.cluster.lease import acquire
from servicemanager.iotdb.mysql import Login, open_mysql
from servicemanager.iotdb.sqlite import open_sqlite
where, port, user, password, name = sys.argv[1:]
login = Login(((where, int(port)),), user, name, password)
database = open_sqlite(Path(where)) if port == "0" else open_mysql(login)
print("ready", flush=True)
sys.stdin.readline()
try:
    print(acquire(database, "job:export", "a process", timedelta(minutes=1)).term)
except Exception as error:
    print(type(error).__name__)
"""


def test_only_one_of_several_processes_gets_the_lease(database, request):
    take(database, duration=OVER)
    if database.dialect == "sqlite":
        arguments = [database.place, "0", "", "", ""]
    else:
        server = request.getfixturevalue("mysql_server")
        name = database.place.rpartition("/")[2]
        arguments = [server.host, str(server.port), server.user, server.password, name]
    assert sorted(race_processes(_PROCESS, arguments, 3)) == ["2", "LeaseHeld", "LeaseHeld"]


def test_who_comes_too_late_is_told_who_is_at_work_and_how_long_that_may_last(database):
    take(database, "server 1, process 7")
    with pytest.raises(LeaseHeld, match=r"Another export is at work: server 1, process 7 since .* UTC.*in \d+ sec"):
        take(database, "b")


def test_leases_of_different_names_do_not_meet(database):
    assert take(database).term == acquire(database, "job:statistics", "b", MINUTE).term == 1


def test_the_term_grows_with_every_holder(database):
    terms = []
    for number in range(3):
        lease = take(database, f"holder {number}")
        terms.append(lease.term)
        lease.release()
    terms += [take(database, duration=OVER).term, take(database).term]
    assert terms == [1, 2, 3, 4, 5]


def test_a_released_lease_is_free_at_once(database):
    take(database).release()
    assert take(database, "b").holder == row(database).holder == "b"


# -- Renewing and losing it -------------------------------------------------------------------------------------


def test_a_renewed_lease_stays_with_its_holder(database):
    lease = take(database)
    before = row(database).expires_at
    lease.renew()
    assert row(database).expires_at > before
    with pytest.raises(LeaseHeld):
        take(database, "b")


def test_a_deposed_holder_can_not_renew(database):
    old = take(database, duration=OVER)
    new = take(database, "b")
    with pytest.raises(LeaseLost, match="taken over"):
        old.renew()
    with pytest.raises(LeaseLost):
        old.check()
    new.renew()


def test_a_deposed_holder_of_the_same_name_can_not_renew_either(database):
    old = take(database, duration=OVER)
    take(database)
    with pytest.raises(LeaseLost):
        old.renew()


def test_a_deposed_holder_can_not_give_the_lease_of_another_away(database):
    old = take(database, duration=OVER)
    take(database, "b")
    old.release()
    assert row(database).holder == "b"
    with pytest.raises(LeaseHeld):
        take(database, "c")


def test_the_holder_steps_down_by_its_own_clock(database):
    clock = HandClock()
    lease = take(database, clock=clock)
    clock.now += 59.9
    lease.check()
    clock.now += 0.1
    with pytest.raises(LeaseLost, match="within 60 seconds"):
        lease.check()
    lease.renew()
    lease.check()


def test_time_counts_from_before_the_database_was_asked(database):
    """An answer that took half a minute leaves half a minute."""
    answers = iter([1000.0, 2000.0])
    slow = take(database, clock=lambda: next(answers))
    assert slow.expires_at == 1060.0
    slow.renew()
    assert slow.expires_at == 2060.0


def test_a_holder_that_can_not_ask_keeps_the_time_it_has(database):
    clock = HandClock()
    lease = take(database, clock=clock)
    lease.database = Database(
        sa.create_engine("sqlite:////nowhere/at/all.sqlite"), "sqlite", "nowhere", lambda: "nowhere"
    )
    clock.now += 30
    with pytest.raises(DatabaseUnreachable):
        lease.renew()
    lease.check()
    clock.now += 30
    with pytest.raises(LeaseLost):
        lease.check()


class Watched(Lease):
    """Says when it was renewed."""

    def renew(self) -> None:
        try:
            super().renew()
        finally:
            self.renewed.set()


def watched(lease: Lease) -> Watched:
    lease.__class__ = Watched
    lease.renewed = threading.Event()
    return lease


def test_a_kept_lease_is_renewed_in_the_background_and_given_back(database):
    lease = watched(take(database, duration=timedelta(seconds=0.9)))
    first = lease.expires_at
    with kept(lease):
        assert lease.renewed.wait(10)
        assert row(database).holder == "a"
    assert lease.expires_at > first
    assert row(database).holder is None


def test_a_kept_lease_that_was_lost_stays_with_its_new_holder(database):
    lease = watched(take(database, duration=timedelta(seconds=0.3)))
    with database.transaction() as tx:
        tx.execute(tables.lease.update().values(holder="b", term=2))
    with kept(lease):
        assert lease.renewed.wait(10)
    assert row(database).holder == "b"
    with pytest.raises(LeaseLost):
        lease.check()


def test_work_that_hangs_long_after_its_lease_was_lost_is_told_of(database):
    hours, told = count(1000.0, 3600.0), threading.Event()
    lease = take(database, duration=timedelta(seconds=0.3), clock=lambda: next(hours))
    with database.transaction() as tx:
        tx.execute(tables.lease.update().values(holder="b", term=2))
    with kept(lease, lambda _: told.set()):
        assert told.wait(10)
