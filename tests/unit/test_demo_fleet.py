"""The simulated fleet's readings: what they promise, whatever the zone and the hour."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from servicemanager.demo.fleet import SENSORS, Fleet, make_fleet
from servicemanager.demo.readings import MAX_ROWS, SCHEMA, ZONE, readings, simulate
from servicemanager.iotdb import platform_tables
from servicemanager.iotdb.window import Calendar
from simulated import NOW, event_instants, small_fleet, whole

WIDTHS = {"channel": 50, "device_group": 20, "device": 20}


def in_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return small_fleet()


@pytest.fixture(scope="module")
def table(fleet: Fleet) -> pa.Table:
    return whole(fleet)


def test_the_default_fleet_sends_about_a_million_readings_in_flat_pieces() -> None:
    pieces = [len(piece) for piece in readings(make_fleet(), NOW)]
    assert 950_000 < sum(pieces) < 1_050_000
    assert max(pieces) <= MAX_ROWS


def test_the_same_seed_gives_the_same_bytes(table: pa.Table) -> None:
    assert in_bytes(whole(small_fleet())) == in_bytes(table)


def test_another_seed_gives_other_readings(table: pa.Table) -> None:
    assert not whole(small_fleet(seed=2)).equals(table)


def test_a_later_hour_of_the_same_day_only_adds_readings(fleet: Fleet, table: pa.Table) -> None:
    later = whole(fleet, NOW + timedelta(hours=2))
    assert len(later) > len(table)
    assert later.slice(0, len(table)).equals(table)


def test_nothing_arrives_after_now_and_something_just_before(table: pa.Table) -> None:
    last = pc.max(table["creationDate"]).as_py()
    assert NOW - timedelta(minutes=5) < last <= NOW


def test_a_reading_that_arrives_in_the_second_of_now_is_there(fleet: Fleet, table: pa.Table) -> None:
    last = pc.max(table["creationDate"]).as_py()
    assert whole(fleet, last).equals(table)


def test_the_columns_are_those_of_facts_and_fit_into_them(table: pa.Table) -> None:
    table.validate(full=True)
    assert table.schema == SCHEMA
    assert tuple(SCHEMA.names) == tuple(column.name for column in platform_tables.facts.columns)
    assert all(column.null_count == 0 for column in table.columns)
    for name, width in WIDTHS.items():
        assert pc.max(pc.utf8_length(table[name])).as_py() <= width


def test_devices_have_names_of_their_own_among_strangers_too(fleet: Fleet) -> None:
    strangers = fleet.strangers
    names = [board.device for board in fleet.boards]
    names += [*strangers.waiting, *strangers.foreign, *strangers.unseen, *strangers.sluggish]
    assert len(set(names)) == len(names)


def test_every_board_reads_every_sensor(fleet: Fleet, table: pa.Table) -> None:
    pairs = table.group_by(["device", "sensor"]).aggregate([])
    assert len(pairs) == len(fleet.boards) * len(SENSORS)


def test_week_day_one_is_sunday(table: pa.Table) -> None:
    columns = (table[name].to_pylist() for name in ("year", "month", "day", "week_day"))
    for year, month, day, week_day in set(zip(*columns, strict=True)):
        assert week_day == date(year, month, day).isoweekday() % 7 + 1


def test_a_piece_holds_the_arrivals_of_one_local_day_in_order(fleet: Fleet) -> None:
    days = []
    for piece in readings(fleet, NOW):
        arrivals = piece["creationDate"].to_pylist()
        assert arrivals == sorted(arrivals)
        days.append({Calendar(ZONE).day_of(arrival) for arrival in (arrivals[0], arrivals[-1])})
    assert all(len(day) == 1 for day in days)
    assert len(set().union(*days)) == len(days) == 13


def test_a_closed_shop_has_no_readings(fleet: Fleet, table: pa.Table) -> None:
    for shop in fleet.shops:
        its = table.filter(pc.equal(table["device_group"], shop.name))
        minutes = its["hour"].to_numpy() * 60 + its["minute"].to_numpy()
        assert shop.opens <= minutes.min()
        assert minutes.max() < shop.closes
        assert shop.open_on_sundays == (1 in its["week_day"].to_pylist())


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("America/Sao_Paulo", datetime(2018, 11, 6, 12, tzinfo=UTC)),  # its midnight was skipped
        ("America/Sao_Paulo", datetime(2018, 2, 20, 12, tzinfo=UTC)),  # the hour before midnight came twice
        ("America/Havana", datetime(2026, 11, 3, 12, tzinfo=UTC)),  # midnight comes twice
        ("Europe/Berlin", datetime(2026, 10, 27, 12, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 10, 12, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 7, 12, tzinfo=UTC)),  # half an hour
        ("Pacific/Apia", datetime(2012, 1, 1, 12, tzinfo=UTC)),  # a day was skipped
        ("Asia/Kathmandu", datetime(2026, 11, 20, 12, tzinfo=UTC)),
    ],
)
def test_no_reading_arrives_before_its_event_in_any_zone(fleet: Fleet, name: str, now: datetime) -> None:
    zone = ZoneInfo(name)
    rows = 0
    for piece in readings(fleet, now, days=4, zone=zone):
        arrivals = piece["creationDate"].to_pylist()
        lags = [at - event for event, at in zip(event_instants(piece, zone), arrivals, strict=True)]
        assert min(lags) >= timedelta(0)
        assert len({Calendar(zone).day_of(arrivals[index]) for index in (0, -1)}) == 1
        rows += len(piece)
    assert rows == sum(len(day.readings) for day in simulate(fleet, now, 4, zone)) > 10_000


def test_wall_times_are_those_that_python_computes_across_a_change_of_clocks(fleet: Fleet) -> None:
    zone, now = ZoneInfo("Europe/Berlin"), datetime(2026, 10, 26, 12, tzinfo=UTC)
    day = list(simulate(fleet, now, 1, zone))[0].readings  # noqa: RUF015 the generator is run to its end
    piece = next(readings(fleet, now, 1, zone))
    expected = [datetime.fromtimestamp(at, zone) for at in day["event"].tolist()]
    assert piece["hour"].to_pylist() == [clock.hour for clock in expected]
    assert piece["minute"].to_pylist() == [clock.minute for clock in expected]
    # The hour from two to three came twice for the shop that never closes.
    hours = np.bincount(piece.filter(pc.equal(piece["device_group"], "shop-001"))["hour"].to_numpy())
    assert hours[2] > 1.8 * hours[1]
