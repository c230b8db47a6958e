"""The world of a small export whose table is partitioned: rows may also be in a twin."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from servicemanager.iotdb import twins
from servicemanager.iotdb.partitions import partitioning

from .faults import Step, Steps
from .faults_export import Export, Failure, Place
from .faults_rows import late, readings
from .faults_world import World
from .iotdb import ZONE

_PATIENCE = 60  # seconds


@dataclass
class PartitionedWorld(World):
    """What is in a twin that was not proven counts as in Facts."""

    def partition(self, days: int) -> None:
        """One for each of so many days before today; fewer than `db partition` makes, since each costs time."""
        facts = self.iotdb.facts()
        clause = partitioning(facts, facts.calendar(ZoneInfo(ZONE)), self.place.day(days), self.place.day(1))
        self.iotdb.execute(f"ALTER TABLE Facts {clause}")

    def keep(self, rows) -> World:
        super().keep(rows)
        self.iotdb.execute("CREATE TABLE kept_layout LIKE Facts")
        return self

    def _restore_tables(self) -> None:
        drops = [f"DROP TABLE IF EXISTS {name}" for name in ("Facts", *self.twins())]
        self.iotdb.execute(*drops, "CREATE TABLE Facts LIKE kept_layout")
        super()._restore_tables()

    def twins(self) -> list[str]:
        with self.iotdb.database.reading() as connection:
            return twins.existing(connection)

    def facts(self, table: str = "Facts") -> Counter:
        found = super().facts(table)
        if table == "Facts":
            with self.iotdb.database.reading() as connection:
                unproven = twins.unproven(connection)
            found = sum((super(PartitionedWorld, self).facts(name) for name in unproven), found)
        return found

    def assert_done(self) -> None:
        super().assert_done()
        assert self.twins() == [], "rows wait in a twin"
        assert self.iotdb.execute("SELECT * FROM sm_detached") == [], "the journal knows a twin that there is not"


def make_partitioned(empty: World) -> PartitionedWorld:
    """Three old days: one left with its partition and one is only archived, both have late rows since; one is new."""
    world = PartitionedWorld(empty.place, empty.iotdb)
    place = world.place
    purged, archived = readings(place, 3), readings(place, 2)
    world.insert(purged + archived)
    world.partition(3)
    Export(place, before=place.day(2)).run()
    Export(place, purge=False, before=place.day(1)).run()
    since = [*purged[:2], late(place, 3), *archived[-3:], late(place, 2)]
    world.keep(since + readings(place, 1) + readings(place, 0))
    return world


@dataclass
class Frozen:
    """An export in a thread of its own that stands still at a step, until it is told to go on."""

    place: Place
    at: int
    #: What it does at every step up to there.
    meanwhile: Callable[[Step], object] = lambda _: None
    outcome: object = None
    _stands: threading.Event = field(default_factory=threading.Event)
    _goes: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._stands.wait(_PATIENCE), "the run never came to that step"

    def _run(self) -> None:
        def deed(step: Step) -> None:
            self.meanwhile(step)
            if step.number == self.at:
                self._stands.set()
                assert self._goes.wait(_PATIENCE)

        self.outcome = Export(self.place, Steps(range(1, self.at + 1), deed), waits=False).attempt()
        self._stands.set()  # its steps may be fewer

    def go_on(self) -> None:
        """To its end."""
        self._goes.set()
        assert self._thread is not None
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "the run hangs"

    @property
    def failed(self) -> bool:
        return isinstance(self.outcome, Failure)
