"""Faults at random, one after the other, on a cluster at work; a seed says which, and on whom.

Each fault waits for a cluster that is well, strikes at a random moment, is measured where somebody has to take over,
and is mended again.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from .cluster import Cluster
from .faketime import wall_clock_off_by
from .galera import Galera
from .instance import MASTER, Instance, processes_in
from .mariadb import Server, restart


class Kind(StrEnum):
    """What happens; the values are for people."""

    CRASH = "machine dies"
    KILL = "daemon is killed"
    PAUSE = "machine stands still for longer than the lease"
    NAP = "machine stands still for less"
    PAUSE_RUNS = "runs of jobs stand still alone"
    STOP = "orderly stop"
    LOSE_DATABASE = "cable to the database is pulled out"
    SILENT_DATABASE = "cable to the database falls silent"
    SLOW_DATABASE = "cable to the database becomes slow"
    RESET = "connections to database and bucket are reset"
    LOSE_BUCKET = "cable to the bucket is pulled out"
    SILENT_BUCKET = "cable to the bucket falls silent"
    LOSE_MIRROR = "cable between the instances is pulled out"
    CLOCK = "orderly stop, and start with a wall clock an hour off"
    DATABASE_RESTARTS = "database stops and starts anew"
    DATABASE_DIES = "database is killed and starts anew"
    NODE_STOPS = "a node of the database stops, and comes back"
    NODE_DIES = "a node of the database is killed, and comes back"
    NODE_PAUSE = "a node of the database stands still, and goes on"
    ALL_AT_ONCE = "all machines die and start at the same instant"


#: Whoever notices takes over when the lease has expired ...
CRASHES = {Kind.CRASH, Kind.KILL, Kind.PAUSE, Kind.LOSE_DATABASE, Kind.SILENT_DATABASE}
#: ... or at once, where the master says goodbye.
PLANNED = {Kind.STOP, Kind.CLOCK}
#: The ten that are promised, and some for a busy machine.
_STOP_SECONDS = 15
_OF_SERVERS = {kind for kind in Kind if kind.name.startswith(("DATABASE", "NODE"))}
_OFTEN = {kind: 3 if kind in CRASHES else 2 if kind is Kind.STOP else 1 for kind in Kind}


@dataclass(frozen=True)
class Fault:
    """One that happened; `takeover` is the seconds until another one was master, where there had to be one."""

    kind: Kind
    on_master: bool
    takeover: float | None


@dataclass
class Chaos:
    """`servers` does to the database what only whoever started it can; what it does not name does not happen."""

    cluster: Cluster
    seed: int
    servers: Mapping[Kind, Callable[[], None]]

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 -- no secret
        self._kinds = {kind: often for kind, often in _OFTEN.items() if kind not in _OF_SERVERS or kind in self.servers}

    def strike(self) -> Fault:
        """One fault, from a cluster that is well to one that is being mended."""
        ended = [instance.name for instance in self.cluster.instances if not instance.alive]
        assert not ended, f"ended without having been told to: {ended}"
        master = self.cluster.settle()
        kind = self._random.choices(list(self._kinds), list(self._kinds.values()))[0]
        on_master = self._random.random() < 0.75
        victim = master if on_master else self._random.choice(self.cluster.others(master))
        time.sleep(self._random.uniform(0, self._lease / 2))
        on_master = victim.role() == MASTER
        began = time.monotonic()
        mend = self._deed(kind)(victim)
        takeover = None
        if on_master and kind in CRASHES | PLANNED:
            takeover = self.cluster.takeover(began, victim)
        mend()
        return Fault(kind, on_master, takeover)

    @property
    def _lease(self) -> float:
        return self.cluster.lease.total_seconds()

    def _deed(self, kind: Kind) -> Callable[[Instance], Callable[[], None]]:
        """What does it to an instance, and returns what mends it."""
        deeds = {
            Kind.CRASH: lambda victim: self._ended(victim, victim.crash),
            Kind.KILL: lambda victim: self._ended(victim, victim.kill),
            Kind.STOP: lambda victim: self._ended(victim, lambda: _stop(victim)),
            Kind.CLOCK: self._clock,
            Kind.PAUSE: lambda victim: self._still(victim, self._random.uniform(1.2, 2) * self._lease),
            Kind.NAP: lambda victim: self._still(victim, self._random.uniform(0.1, 0.4) * self._lease),
            Kind.PAUSE_RUNS: self._still_runs,
            Kind.LOSE_DATABASE: lambda victim: self._spoilt(victim.database, victim.database.pull_out),
            Kind.SILENT_DATABASE: lambda victim: self._spoilt(victim.database, victim.database.freeze),
            Kind.SLOW_DATABASE: lambda victim: self._spoilt(victim.database, lambda: victim.database.slow(0.02)),
            Kind.LOSE_BUCKET: lambda victim: self._spoilt(victim.store, victim.store.pull_out),
            Kind.SILENT_BUCKET: lambda victim: self._spoilt(victim.store, victim.store.freeze),
            Kind.LOSE_MIRROR: lambda victim: self._spoilt(victim.mirror, victim.mirror.pull_out),
            Kind.RESET: self._reset,
            Kind.ALL_AT_ONCE: self._all_at_once,
        }
        return deeds[kind] if kind in deeds else lambda _: self._servers_work(kind)

    def _ended(self, victim: Instance, deed: Callable[[], object]) -> Callable[[], None]:
        deed()
        return lambda: self._revive(victim)

    def _revive(self, victim: Instance) -> None:
        time.sleep(self._random.uniform(0, self._lease / 2))
        victim.start()
        victim.await_ready()

    def _clock(self, victim: Instance) -> Callable[[], None]:
        _stop(victim)
        right = {name: text for name, text in victim.environ.items() if name not in wall_clock_off_by("+1h")}
        offset = self._random.choice(["+1h", "-1h", None])
        victim.environ = {**right, **wall_clock_off_by(offset)} if offset else right
        return lambda: self._revive(victim)

    def _still(self, victim: Instance, seconds: float) -> Callable[[], None]:
        victim.freeze()
        until = time.monotonic() + seconds

        def mend() -> None:
            time.sleep(max(0.0, until - time.monotonic()))
            victim.thaw()

        return mend

    def _still_runs(self, victim: Instance) -> Callable[[], None]:
        runs = [pid for pid in processes_in(victim.folder) if pid != victim.process.pid]
        _send(runs, signal.SIGSTOP)
        seconds = self._random.uniform(0.5, 2) * self._lease

        def mend() -> None:
            time.sleep(seconds)
            _send(runs, signal.SIGCONT)

        return mend

    def _spoilt(self, cable, deed: Callable[[], None]) -> Callable[[], None]:
        deed()
        seconds = self._random.uniform(0.3, 1.5) * self._lease

        def mend() -> None:
            time.sleep(seconds)
            cable.mend()

        return mend

    def _reset(self, victim: Instance) -> Callable[[], None]:
        for _ in range(self._random.randrange(1, 4)):
            victim.database.cut()
            victim.store.cut()
            time.sleep(self._random.uniform(0, 0.3))
        return lambda: None

    def _servers_work(self, kind: Kind) -> Callable[[], None]:
        self.servers[kind]()
        return lambda: None

    def _all_at_once(self, _: Instance) -> Callable[[], None]:
        for instance in self.cluster.instances:
            instance.crash()
        for instance in self.cluster.instances:
            instance.start()
        return lambda: [instance.await_ready() for instance in self.cluster.instances]


def restarts_of(server: Server) -> dict[Kind, Callable[[], None]]:
    """What becomes of a single server."""
    return {
        Kind.DATABASE_RESTARTS: lambda: restart(server),
        Kind.DATABASE_DIES: lambda: restart(server, crash=True),
    }


def losses_of(galera: Galera, lease: float) -> dict[Kind, Callable[[], None]]:
    """What becomes of a node, one at a time."""
    return {
        Kind.NODE_STOPS: lambda: galera.lose_one(crash=False, seconds=lease),
        Kind.NODE_DIES: lambda: galera.lose_one(crash=True, seconds=lease),
        Kind.NODE_PAUSE: lambda: galera.freeze_one(2 * lease),
    }


def _stop(victim: Instance) -> None:
    began = time.monotonic()
    status = victim.stop()
    seconds = time.monotonic() - began
    assert status == 0, f"an orderly stop ended with {status}"
    assert seconds < _STOP_SECONDS, f"an orderly stop took {seconds:.1f} s"


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
