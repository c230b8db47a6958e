"""A small restore and a small adoption, watched step by step as an export is, and the worlds that they begin in."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from servicemanager.archive.objects import open_store
from servicemanager.archive.proof import Stores
from servicemanager.archive.restore import RestoreJob
from servicemanager.archive.verify import Days
from servicemanager.cluster.lease import acquire, kept
from servicemanager.export.adopt import Adoption, adopt_identity, adopt_objects
from servicemanager.iotdb import tables
from servicemanager.jobs.job import JobContext, JobResult, Silence
from servicemanager.jobs.runner import Runner

from .faults import Steps
from .faults_export import LEASE, Export, Failure, Place, outcome_of
from .faults_rows import late, readings
from .faults_world import World, patiently
from .iotdb import ZONE

TARGET = "Facts_restored"
#: So few that an object has several.
CHUNK_ROWS = 8


@dataclass(frozen=True)
class Restore:
    """One run of the job, under its lease, every step of it watched."""

    place: Place
    steps: Steps = field(default_factory=Steps)
    lease: timedelta = LEASE
    target: str = TARGET

    def run(self) -> JobResult:
        with self.place.watched(self.steps) as (database, store):
            job = RestoreJob(
                database, Stores(store, open_store), Days(), self.target, ZONE, chunk_rows=CHUNK_ROWS, threads=0
            )
            return Runner(database, self.lease, Silence(), threading.Event()).run(job)

    def attempt(self) -> JobResult | Failure:
        return outcome_of(self.run)


@dataclass(frozen=True)
class Adopt:
    """One adoption, likewise."""

    place: Place
    steps: Steps = field(default_factory=Steps)
    lease: timedelta = LEASE

    def run(self) -> Adoption:
        with (
            self.place.watched(self.steps) as (database, store),
            kept(acquire(database, "job:export", "adopter", self.lease)) as lease,
        ):
            adopt_identity(database, store)
            tools = Export(self.place, self.steps).job(database, store).tools
            return adopt_objects(tools(JobContext(lease, Silence(), threading.Event())))

    def attempt(self) -> Adoption | Failure:
        return outcome_of(self.run)


@dataclass
class Restoring:
    """A world in which readings of old days come back into `target`."""

    world: World
    target: str

    def begin(self) -> None:
        self.world.begin()
        patiently(self._drop)

    def _drop(self) -> None:
        self.world.iotdb.execute(f"DROP TABLE IF EXISTS {TARGET}")

    def restore(self, steps: Steps | None = None) -> Restore:
        return Restore(self.world.place, steps or Steps(), target=self.target)

    def archived(self) -> Counter:
        return sum(self.world.archived().values(), Counter())

    def restored(self) -> Counter:
        """What has come back so far."""
        if self.target == "Facts":
            return self.world.facts() - self.world.kept_facts
        with self.world.iotdb.database.reading() as connection:
            made = sa.inspect(connection).has_table(TARGET)
        return self.world.facts(TARGET) if made else Counter()

    def assert_nothing_is_doubled(self) -> None:
        """At any moment. What came back is in the archive; and of Facts the journal says what is there."""
        assert self.restored() <= self.archived(), "there are more rows than were archived"
        if self.target == "Facts":
            self.world.assert_nothing_is_lost()
        else:
            assert self.world.facts() == self.world.kept_facts

    def finish(self) -> JobResult:
        """The next run, whatever the last one left behind, brings back all that is missing; a third one has no work."""
        result = self.world.again(self.restore().run)
        assert result.problems == ()
        self.assert_done()
        assert self.world.again(self.restore().run).counts["rows_restored"] == 0
        self.assert_done()
        if self.target == "Facts":
            self.world.finish()
            self.world.assert_done()
        return result

    def assert_done(self) -> None:
        self.assert_nothing_is_doubled()
        if self.target == "Facts":
            assert self.world.purged(self.world.archived()) == Counter()
            assert self.world.facts() == self.world.rows
        else:
            assert self.restored() == self.archived()

    def steps(self, *, answers: bool = False) -> list:
        """Those of a run without faults; and what a following export then leaves in the archive."""
        self.begin()
        steps = Steps(answers=answers)
        assert self.restore(steps).run().problems == ()
        self.finish()
        self.world.expected_objects = frozenset(self.world.objects())
        assert len(steps.seen) > 60
        return steps.seen


def make_purged(world: World) -> World:
    """Three old days: two are purged, one with a late generation, and one is only archived; and late rows since.

    All of it was restored once before into a table that is gone.
    """
    place = world.place
    world.insert(readings(place, 3) + readings(place, 2))
    Export(place, before=place.day(1)).run()
    world.insert([late(place, 3), *readings(place, 3)[:2], *readings(place, 1)])
    Export(place, before=place.day(1)).run()
    Export(place, purge=False).run()
    Restore(place).run()
    world.iotdb.execute(f"DROP TABLE {TARGET}")
    return world.keep([late(place, 3, 7), readings(place, 2)[0], *readings(place, 0)])


def make_forgotten(world: World) -> World:
    """Three old days in the archive, one of them in Facts too, of which the journal knows nothing."""
    place = world.place
    world.insert(readings(place, 3) + readings(place, 2))
    Export(place, before=place.day(1)).run()
    world.insert([late(place, 3), *readings(place, 3)[:2], *readings(place, 1)])
    Export(place, before=place.day(1)).run()
    Export(place, purge=False).run()
    world.iotdb.execute(*(f"DELETE FROM sm_{name}" for name in ("archive", "archive_object", "archive_part", "meta")))
    return world.keep(readings(place, 0))


def journal_of(world: World) -> list[str]:
    """Windows, objects and slices as the journal has them, without its own numbers and moments."""
    window, known, part = tables.archive.c, tables.archive_object.c, tables.archive_part.c
    queries = [
        sa.select(tables.meta),
        sa.select(window.start_at, window.end_at, window.creation_date),
        sa.select(window.start_at, *_but(tables.archive_object)).where(window.id == known.archive_id),
        sa.select(window.start_at, *_but(tables.archive_part), part.purged_at.is_(None)).where(
            window.id == part.archive_id
        ),
    ]
    with world.iotdb.database.reading() as connection:
        return [line for query in queries for line in sorted(map(repr, connection.execute(query)))]


def _but(table: sa.Table) -> list[sa.Column]:
    own = {"archive_id", "sealed_at", "verified_at", "purged_at"}
    return [column for column in table.c if column.name not in own]
