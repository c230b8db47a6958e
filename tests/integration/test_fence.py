"""The fence: whatever a deposed holder does, nothing of its term is committed after a takeover."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from servicemanager.cluster.lease import Lease, _take, acquire
from servicemanager.errors import DatabaseBusy, LeaseHeld, LeaseLost
from servicemanager.iotdb import tables
from servicemanager.iotdb.engine import Database
from support.leases import MINUTE, NAME, OVER, lease_database, take
from support.races import race


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request, tmp_path) -> Iterator[Database]:
    with lease_database(request, tmp_path) as made:
        yield made


def write(tx: sa.Connection, name: str) -> None:
    """Something that a job writes."""
    tx.execute(tables.meta.insert().values(name=name, value=""))


def written(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.execute(sa.select(tables.meta.c.name)).scalars())


def test_the_holder_passes_its_fence_as_often_as_it_likes(database):
    lease = take(database)
    for number in range(3):
        with database.transaction() as tx:
            lease.pass_fence(tx)
            lease.pass_fence(tx)
            write(tx, f"{number}")
    assert written(database) == {"0", "1", "2"}


def test_a_deposed_holder_can_not_pass_the_fence(database):
    old = take(database, duration=OVER)
    new = take(database, "b")
    with pytest.raises(LeaseLost, match="taken over"), database.transaction() as tx:
        write(tx, "old")
        old.pass_fence(tx)
    with database.transaction() as tx:
        new.pass_fence(tx)
        write(tx, "new")
    assert written(database) == {"new"}


def test_a_transaction_that_has_passed_the_fence_holds_a_takeover_up_until_it_is_done(database):
    old = take(database, duration=OVER)
    with database.transaction() as tx:
        old.pass_fence(tx)
        write(tx, "old")
        with pytest.raises(LeaseHeld, match="still open"):
            take(database, "b")
    assert written(database) == {"old"}
    assert take(database, "b").term == 2


def test_a_transaction_that_was_rolled_back_holds_nothing_up(database):
    old = take(database, duration=OVER)
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        old.pass_fence(tx)
        raise ZeroDivisionError
    assert take(database, "b").term == 2


def test_who_comes_to_the_fence_during_a_takeover_does_not_get_through(database):
    old = take(database, duration=OVER)
    with database.transaction() as taking:
        _take(taking, database.now(taking), NAME, "b", MINUTE)
        with pytest.raises((DatabaseBusy, LeaseLost)), database.transaction() as tx:
            old.pass_fence(tx)
            write(tx, "old")
    with pytest.raises(LeaseLost), database.transaction() as tx:
        old.pass_fence(tx)
    assert written(database) == set()


def test_a_renewal_is_not_held_up_by_a_transaction_that_has_passed_the_fence(database):
    """A long purge must not keep its own lease from being renewed. SQLite has one writer at a time: there it waits."""
    lease = take(database)
    with database.transaction() as tx:
        lease.pass_fence(tx)
        if database.dialect == "mysql":
            lease.renew()
        else:
            with pytest.raises(DatabaseBusy):
                lease.renew()
    lease.renew()


def test_nothing_of_an_old_term_is_committed_after_a_takeover(database):
    """The old holder writes as fast as it can while others take over; what it wrote must be there when they have."""
    for attempt in range(4):
        name = f"job:{attempt}"
        old = acquire(database, name, "old", OVER)
        seen: list[set[str]] = []

        def work(number: int, old: Lease = old, name: str = name, seen: list = seen) -> int:
            return _take_over(database, name, seen) if number else _write_until_deposed(database, old)

        results = race(work, 2)
        its = {entry for entry in written(database) if entry.startswith(f"{name} ")}
        assert results == [len(its), 2]
        assert seen == [its]


def _write_until_deposed(database: Database, lease: Lease) -> int:
    """How many transactions were committed."""
    done = 0
    while True:
        try:
            with database.transaction() as tx:
                lease.pass_fence(tx)
                write(tx, f"{lease.name} {done}")
            done += 1
        except DatabaseBusy:
            continue
        except LeaseLost:
            return done


def _take_over(database: Database, name: str, seen: list[set[str]]) -> int:
    while True:
        try:
            term = acquire(database, name, "new", MINUTE).term
        except LeaseHeld:
            continue
        seen.append({entry for entry in written(database) if entry.startswith(f"{name} ")})
        return term
