"""Leases: who may work, until when, by the database's clock; and the fence that keeps the deposed out.

A lease is a row (holder, term, expiry). The holder renews it every third of its duration and counts it
from before the renewal was sent, so by its own clock it steps down before anybody else can take over.
A clock alone does not fence: a frozen process may wake up in the middle of a transaction. Therefore
every transaction of a job also *updates* the fence's row by holder and term. A takeover changes that
row first, so the deposed holder's update finds nothing, or can't be committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from servicemanager.errors import DatabaseBusy, LeaseHeld, LeaseLost, ServiceManagerError
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.tables import fence, lease

#: Seconds, about, that a run which was asked to stop may take to reach a safe place.
_PATIENCE = 6

#: Made once: a run passes hundreds of times, and to put it together takes longer than to send it.
_PASS = (
    fence.update()
    .where(fence.c.name == sa.bindparam("of"), fence.c.holder == sa.bindparam("by"))
    .where(fence.c.term == sa.bindparam("in_term"))
    .values(passages=fence.c.passages + 1)
)

_log = structlog.get_logger()


def own_clock() -> float:
    """Seconds that also pass while the machine sleeps, where the system can tell."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass
class Lease:
    """A lease that this process took; safe to use from several threads."""

    database: Database
    name: str
    holder: str
    term: int
    duration: timedelta
    #: On our own clock.
    expires_at: float
    clock: Callable[[], float] = own_clock

    def check(self) -> None:
        """Raise LeaseLost once the lease may have passed to somebody else."""
        if self.clock() >= self.expires_at:
            raise LeaseLost(
                f"The lease {self.name} could not be renewed within {self.duration.total_seconds():.0f} seconds, "
                "so another instance may be at work: nothing more is done here."
            )

    def pass_fence(self, tx: sa.Connection) -> None:
        """Tie `tx` to this term: it commits only while nobody has taken over. Raises LeaseLost."""
        if tx.execute(_PASS, {"of": self.name, "by": self.holder, "in_term": self.term}).rowcount != 1:
            raise LeaseLost(f"Another instance has taken over {self.name}: nothing more is done here.")

    def renew(self) -> datetime:
        """Return the database's time.

        Raises LeaseLost when somebody else has the lease, DatabaseUnreachable when nobody can tell.
        """
        sent = self.clock()
        with self.database.transaction() as tx:
            statement = lease.update().where(
                lease.c.name == self.name, lease.c.holder == self.holder, lease.c.term == self.term
            )
            now = self.database.now(tx)
            if tx.execute(statement.values(expires_at=now + self.duration)).rowcount != 1:
                self.expires_at = sent
                raise LeaseLost(f"Another instance has taken over {self.name}.")
        self.expires_at = sent + self.duration.total_seconds()
        return now

    def release(self) -> None:
        with self.database.transaction() as tx:
            statement = lease.update().where(
                lease.c.name == self.name, lease.c.holder == self.holder, lease.c.term == self.term
            )
            tx.execute(statement.values(holder=None, expires_at=self.database.now(tx)))


def acquire(
    database: Database, name: str, holder: str, duration: timedelta, clock: Callable[[], float] = own_clock
) -> Lease:
    """Take the lease when it is free or has expired, with a new term. Raises LeaseHeld, which says who has it."""
    sent = clock()
    try:
        with database.transaction() as tx:
            term = _take(tx, database.now(tx), name, holder, duration)
    except DatabaseBusy as error:
        raise LeaseHeld(
            f"Another instance is just taking {name}, or its last holder's transaction is still open: try again."
        ) from error
    return Lease(database, name, holder, term, duration, sent + duration.total_seconds(), clock)


def _take(tx: sa.Connection, now: datetime, name: str, holder: str, duration: timedelta) -> int:
    row = tx.execute(sa.select(lease).where(lease.c.name == name).with_for_update()).one_or_none()
    term = 1 if row is None else row.term + 1
    values = {"holder": holder, "term": term, "taken_at": now, "expires_at": now + duration}
    if row is None:
        tx.execute(lease.insert().values(name=name, **values))
        tx.execute(fence.insert().values(name=name, holder=holder, term=term, passages=0))
        return term
    if row.holder is not None and row.expires_at > now:
        raise LeaseHeld(_who(name, row.holder, row.taken_at, row.expires_at - now))
    tx.execute(lease.update().where(lease.c.name == name).values(**values))
    tx.execute(fence.update().where(fence.c.name == name).values(holder=holder, term=term))
    return term


def _who(name: str, holder: str, taken_at: datetime, left: timedelta) -> str:
    job = name.removeprefix("job:")
    return (
        f"Another {job} is at work: {holder} since {taken_at:%Y-%m-%d %H:%M:%S} UTC. If that process is dead, "
        f"its lease ends in {left.total_seconds():.0f} seconds."
    )


@contextmanager
def kept(
    held: Lease, on_hang: Callable[[str], None] | None = None, stop: threading.Event | None = None
) -> Iterator[Lease]:
    """Renew `held` in the background, and give it back at the end.

    `on_hang` is told when the lease has been lost for as long as it lasts and the work still has not noticed: it
    waits for an answer that never comes, as when a cable was pulled.
    """
    done = threading.Event()
    threads = [threading.Thread(target=_renew_until, args=(held, done), name=f"renew {held.name}", daemon=True)]
    if on_hang:
        threads.append(threading.Thread(target=_watch, args=(held, done, on_hang, stop), name="watch", daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield held
    finally:
        done.set()
        for thread in threads:
            # Not for ever: a renewal may wait for a server that has fallen silent.
            thread.join(held.duration.total_seconds())
        # Who can't say goodbye is missed when the lease expires.
        with suppress(ServiceManagerError):
            held.release()


def _watch(held: Lease, done: threading.Event, on_hang: Callable[[str], None], stop: threading.Event | None) -> None:
    seconds = held.duration.total_seconds()
    asked = 0
    while not done.wait(min(1.0, seconds / 3)):
        asked += bool(stop and stop.is_set())
        if asked > _PATIENCE:
            on_hang("The run was asked to stop, and the database does not answer.")
            return
        if held.clock() > held.expires_at + seconds:
            on_hang(f"The lease {held.name} was lost {seconds:.0f} seconds ago, and the database does not answer.")
            return


def _renew_until(held: Lease, done: threading.Event) -> None:
    while not done.wait(held.duration.total_seconds() / 3):
        try:
            held.renew()
        except LeaseLost:
            return
        except ServiceManagerError as error:
            _log.warning("lease not renewed", lease=held.name, error=str(error))
