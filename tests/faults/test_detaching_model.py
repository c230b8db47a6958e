"""Days, late rows, exports that break off, and partitions that deposed runs detach, in any order: rows only move."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicemanager.errors import ServiceManagerError
from servicemanager.iotdb import twins
from servicemanager.iotdb.partitions import read_layout, span_of
from support.faults import Step, Steps
from support.faults_export import Export
from support.faults_partitions import PartitionedWorld
from support.faults_rows import late, readings

pytestmark = [
    pytest.mark.usefixtures("impatient"),
    pytest.mark.parametrize("empty_world", ["mariadb, folder"], indirect=True),
]

OLD = range(1, 5)
EVENTS = st.one_of(
    st.tuples(st.just("arrive"), st.sampled_from([0, *OLD]), st.integers(0, 23)),
    st.tuples(st.just("copies"), st.sampled_from(OLD), st.integers(0, 9)),
    st.tuples(st.just("export"), st.sampled_from(OLD), st.booleans()),
    st.tuples(st.just("break off"), st.integers(20, 320), st.booleans()),
    st.tuples(st.just("detach"), st.integers(0, 3), st.booleans()),
)


@pytest.fixture
def world(empty_world) -> PartitionedWorld:
    """Some old days, none of them exported."""
    world = PartitionedWorld(empty_world.place, empty_world.iotdb)
    world.insert([row for day in (4, 2, 1) for row in readings(world.place, day)])
    world.partition(4)
    world.keep(readings(world.place, 0))
    return world


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(events=st.lists(EVENTS, min_size=2, max_size=7))
def test_whatever_happens_no_row_is_lost_or_doubled(world, events):
    world.begin()
    for number, (what, first, second) in enumerate(events):
        HAPPENS[what](world, number, first, second)
        world.assert_nothing_is_lost()
    world.finish()
    world.assert_done()


def arrive(world: PartitionedWorld, number: int, day: int, hour: int) -> None:
    world.insert([late(world.place, day, hour, number)])


def arrive_again(world: PartitionedWorld, _: int, day: int, which: int) -> None:
    world.insert([readings(world.place, day)[which]] * 2)


def export(world: PartitionedWorld, _: int, until: int, purge: bool) -> None:
    run = Export(world.place, before=world.place.day(until - 1), purge=purge)
    assert world.again(run.run).problems == ()


def break_off(world: PartitionedWorld, _: int, at: int, purge: bool) -> None:
    world.again(lambda: Export(world.place, Steps({at}, _stop), purge=purge).attempt())
    world.expire_lease()


def _stop(_: Step) -> None:
    raise KeyboardInterrupt


def detach(world: PartitionedWorld, number: int, which: int, journaled: bool) -> None:
    """As a run that was deposed before its exchange does at some later moment."""
    facts, days = world.iotdb.facts(), read_layout(world.iotdb.database).days
    if not days:
        return  # every day's partition has gone already
    found = days[min(which, len(days) - 1)]
    twin = twins.Twin(twins.twin_name(span_of(facts, found), 900 + number), found.name, span_of(facts, found), 900)
    if journaled:
        with world.iotdb.database.transaction() as tx:
            twins.intend(tx, twin)
    with suppress(ServiceManagerError):
        twins.create(world.iotdb.database, twin.name)
        twins.exchange(world.iotdb.database, found.name, twin.name)


HAPPENS = {"arrive": arrive, "copies": arrive_again, "export": export, "break off": break_off, "detach": detach}
