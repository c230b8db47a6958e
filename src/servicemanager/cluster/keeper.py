"""Holds the lease `master`, or waits for it: one thread that never stops trying, whatever becomes of the database.

By its own clock an instance is MASTER only until `step_down_after` since its last renewal was sent. So a process that
was frozen, or waits for an answer that never comes, is SLAVE again before another can be MASTER, whoever asks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog

from servicemanager.cluster.lease import Lease, acquire, own_clock
from servicemanager.cluster.mirror import Mirror
from servicemanager.cluster.role import Leader, Role, Timing, WorksBy, against_taking, free_at
from servicemanager.errors import LeaseHeld, LeaseLost, ServiceManagerError
from servicemanager.iotdb.engine import Database, read_meta, write_meta
from servicemanager.iotdb.tables import lease, meta

MASTER_LEASE = "master"
_WORKS_BY = "master_works_by"
_LONGEST_PAUSE = 10.0

_log = structlog.get_logger()


@dataclass
class DatabaseClock:
    """The database's time, told between two looks at it by our own steady clock: this machine's may be off."""

    clock: Callable[[], float] = own_clock
    _read: tuple[float, datetime] | None = None

    def set(self, now: datetime) -> None:
        self._read = (self.clock(), now)

    def now(self) -> datetime:
        """In UTC; this machine's time as long as the database was never asked."""
        if self._read is None:
            return datetime.now(UTC)
        at, told = self._read
        return told + timedelta(seconds=self.clock() - at)


@dataclass
class Keeper:
    """Safe to ask from any thread; `run` is for one thread of its own."""

    connect: Callable[[], Database]
    holder: str
    timing: Timing
    works_by: WorksBy
    mirror: Mirror | None = None
    #: Take over once from a master whose settings differ.
    take_over: bool = False
    clock: Callable[[], float] = own_clock
    time: DatabaseClock = field(default_factory=DatabaseClock)
    #: Set to let the next look happen at once.
    look: threading.Event = field(default_factory=threading.Event)
    #: What is in the way of the database, or of taking the lead; None where nothing is.
    trouble: str | None = None
    #: By `clock`; None while the database answers.
    lost_at: float | None = None
    leader: Leader | None = None
    _lease: Lease | None = None
    _database: Database | None = None
    _failures: int = 0

    @property
    def role(self) -> Role:
        held = self._lease
        return Role.MASTER if held and self.clock() < self._steps_down_at(held) else Role.SLAVE

    @property
    def term(self) -> int | None:
        """Of the lease that this instance holds."""
        held = self._lease
        return held.term if held else None

    @property
    def lost_since(self) -> datetime | None:
        """When the database was missed first, by its own clock; None while it answers."""
        lost_at = self.lost_at
        return None if lost_at is None else self.time.now() - timedelta(seconds=self.clock() - lost_at)

    @property
    def database(self) -> Database | None:
        """Open while the database answers."""
        return self._database if self.lost_at is None else None

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then the lease is given back, and whoever waits for it is told."""
        while not stop.is_set():
            self.look.wait(self.step())
            self.look.clear()
        self._hand_over()

    def step(self) -> float:
        """One look or renewal; returns the seconds until the next one is due."""
        try:
            if self._database is None:
                self._database = self.connect()
            if self._lease:
                self._renew(self._lease, self._database)
            else:
                self._look(self._database)
        except LeaseHeld:
            pass
        except LeaseLost as error:
            self._drop(str(error))
        except ServiceManagerError as error:
            return self._failed(error)
        self.lost_at, self._failures = None, 0
        return (self.timing.renew_every if self._lease else self.timing.look_every).total_seconds()

    def _steps_down_at(self, held: Lease) -> float:
        margin = self.timing.lease - self.timing.step_down_after
        return held.expires_at - margin.total_seconds()

    def _renew(self, held: Lease, database: Database) -> None:
        if self.clock() >= self._steps_down_at(held):
            # It may be another's by now, and if it is not, it can be taken like any other.
            self._drop("The lease was not renewed in time.")
            self._look(database)
            return
        self.time.set(held.renew())

    def _look(self, database: Database) -> None:
        with database.reading() as connection:
            now = database.now(connection)
            self.leader = read_leader(connection, self.leader)
        self.time.set(now)
        if not free_at(self.leader, now):
            self.trouble = self._unlike(self.leader)
            return
        before = None if self.take_over else self.leader
        self.trouble = against_taking(before, self.works_by, self._node_master())
        if self.trouble is None:
            self._take(database)

    def _take(self, database: Database) -> None:
        taken = acquire(database, MASTER_LEASE, self.holder, self.timing.lease, self.clock)
        with database.transaction() as tx:
            taken.pass_fence(tx)
            write_meta(tx, _WORKS_BY, json.dumps(asdict(self.works_by)))
        self.leader = Leader(taken.holder, taken.term, self.time.now() + self.timing.lease, self.works_by)
        self._lease, self.take_over = taken, False

    def _node_master(self) -> str | None:
        """The mirror's address, where a Node version says that it is the master."""
        answer = self.mirror.ask() if self.mirror else None
        claims = answer and answer.role is Role.MASTER and not answer.is_ours
        return self.mirror.address if self.mirror and claims else None

    def _unlike(self, leader: Leader | None) -> str | None:
        """The sentence about a living master that works by other settings."""
        if leader is None or leader.holder == self.holder:
            return None
        return against_taking(leader, self.works_by, None)

    def _drop(self, why: str) -> None:
        _log.warning("the lead is lost", reason=why)
        self._lease = None

    def _failed(self, error: ServiceManagerError) -> float:
        """Let go of every connection: the next one asks for the name's address and for the server's state anew."""
        if self.lost_at is None:
            self.lost_at = self.clock()
        if self.trouble != str(error):
            _log.error("the database can't be used", error=str(error))
        self.trouble = str(error)
        if self._database:
            self._database.close()
        self._failures += 1
        pause = self.timing.look_every.total_seconds() * 2 ** min(self._failures - 1, 10)
        # A master has to renew before its time is up; a slave spares a server that has just come up.
        longest = min(_LONGEST_PAUSE, self.timing.lease.total_seconds() / 3)
        return min(pause, self.timing.look_every.total_seconds() if self._lease else longest)

    def _hand_over(self) -> None:
        held, self._lease = self._lease, None
        if held is None or self._database is None:
            return
        # Who can't say goodbye is missed when the lease expires.
        with suppress(ServiceManagerError):
            with self._database.transaction() as tx:
                held.pass_fence(tx)
                tx.execute(meta.delete().where(meta.c.name == _WORKS_BY))
            held.release()
        if self.mirror:
            self.mirror.nudge()


def read_leader(connection: sa.Connection, before: Leader | None = None) -> Leader | None:
    """Who holds the lease `master`, or held it last; None where nobody ever did.

    What the same holder works by does not change, so one that was read `before` is not asked again.
    """
    row = connection.execute(sa.select(lease).where(lease.c.name == MASTER_LEASE)).one_or_none()
    if row is None:
        return None
    if before and before.works_by and (before.holder, before.term) == (row.holder, row.term):
        return replace(before, expires_at=row.expires_at)
    noted = read_meta(connection, _WORKS_BY)
    works_by = None
    if noted:
        value = json.loads(noted)
        works_by = WorksBy(value["instance"], tuple((key, text) for key, text in value["settings"]))
    return Leader(row.holder, row.term, row.expires_at, works_by, row.taken_at)
