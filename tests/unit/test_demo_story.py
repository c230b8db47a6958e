"""What the simulated fleet's story tells is what its readings show."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from servicemanager.demo.fleet import Fleet, make_fleet
from servicemanager.demo.readings import SCHEMA, ZONE, readings, simulate
from servicemanager.demo.story import Kind, story
from simulated import NOW, event_instants, small_fleet, whole


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return small_fleet()


@pytest.fixture(scope="module")
def table(fleet: Fleet) -> pa.Table:
    return whole(fleet)


def test_a_shop_without_power_is_silent_and_comes_back(fleet: Fleet) -> None:
    (cut,) = (episode for episode in story(fleet, NOW) if episode.kind is Kind.POWER_CUT)
    its = pa.concat_tables(piece.filter(pc.equal(piece["device_group"], cut.subject)) for piece in readings(fleet, NOW))
    events = event_instants(its, ZONE)
    hour = timedelta(hours=1)
    assert not [event for event in events if cut.since <= event < cut.until]
    assert [event for event in events if cut.since - hour <= event < cut.since]
    assert [event for event in events if cut.until <= event < cut.until + hour]


def test_a_dead_board_stays_silent(fleet: Fleet, table: pa.Table) -> None:
    deaths = [episode for episode in story(fleet, NOW) if episode.kind is Kind.DEATH]
    assert len(deaths) == 3
    for death in deaths:
        its = table.filter(pc.equal(table["device"], death.subject))
        assert max(event_instants(its, ZONE)) < death.since


def test_nothing_of_a_dead_board_arrives_after_its_death() -> None:
    busy = make_fleet(shops=3, boards_per_shop=(2, 2), interval=5)
    board, told = busy.deaths[-1].board, story(busy, NOW)[-1]
    assert told.kind is Kind.DEATH
    (yesterday, _) = simulate(busy, NOW, days=1)
    arrivals = yesterday.readings["arrival"][yesterday.readings["board"] == board]
    assert 0 < told.since.timestamp() - arrivals.max() < 20


def test_what_an_absent_board_has_read_arrives_after_it_is_back(fleet: Fleet, table: pa.Table) -> None:
    absences = [episode for episode in story(fleet, NOW) if episode.kind is Kind.ABSENCE]
    assert len(absences) == 4
    for absence in absences:
        its = table.filter(pc.equal(table["device"], absence.subject))
        pairs = zip(event_instants(its, ZONE), its["creationDate"].to_pylist(), strict=True)
        arrivals = [arrival for event, arrival in pairs if absence.since <= event < absence.until]
        assert len(arrivals) == absence.count > 0
        assert min(arrivals) > absence.until


def test_an_absence_delays_readings_and_loses_none(fleet: Fleet, table: pa.Table) -> None:
    told = SCHEMA.names[:-1]
    never_absent = whole(replace(fleet, absences=()))
    assert set(zip(*(table[name].to_pylist() for name in told), strict=True)) == set(
        zip(*(never_absent[name].to_pylist() for name in told), strict=True)
    )


@pytest.mark.parametrize("days", range(7))
def test_absent_boards_have_something_to_send_on_every_day_of_the_week(fleet: Fleet, days: int) -> None:
    told = story(fleet, NOW + timedelta(days=days))
    assert min(episode.count for episode in told if episode.kind is Kind.ABSENCE) > 0


def test_the_story_counts_what_the_columns_show(fleet: Fleet, table: pa.Table) -> None:
    told = {episode.kind: episode.count for episode in story(fleet, NOW)[:4]}
    lags = [
        arrival - event
        for event, arrival in zip(event_instants(table, ZONE), table["creationDate"].to_pylist(), strict=True)
    ]
    distinct = table.group_by(SCHEMA.names).aggregate([])
    assert told == {
        Kind.READINGS: len(table),
        Kind.DUPLICATES: len(table) - len(distinct),
        Kind.LATE: sum(lag >= timedelta(minutes=5) for lag in lags),
        Kind.SPIKES: pc.sum(pc.greater_equal(table["data"], 4_000)).as_py(),
    }
    assert all(told.values())


def test_a_story_leaves_out_what_began_before_its_first_day(fleet: Fleet) -> None:
    first = datetime.combine(NOW.date() - timedelta(days=3), datetime.min.time(), tzinfo=ZONE)
    troubles = story(fleet, NOW, days=3)[4:]
    assert troubles
    assert all(episode.since >= first for episode in troubles)
