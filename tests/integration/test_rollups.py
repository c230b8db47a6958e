"""The tables of moments on real databases: what they were, what they are, and one device out of many."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from servicemanager.archive.folder import FolderStore
from servicemanager.iotdb import upgrade as migrations
from servicemanager.iotdb.moment_blocks import pack, unpack
from servicemanager.iotdb.moment_columns import from_pairs, to_pairs
from servicemanager.iotdb.moments import Moments, Pair
from servicemanager.iotdb.rollups import MANY_SOURCES, Counted, Remembered, Rollups
from servicemanager.iotdb.tables import rollup_block
from servicemanager.iotdb.upgrade import MIGRATIONS, RETIRED, upgrade
from support.exports import days_ago, make_job, run
from support.iotdb import reading
from support.statistics import DDL, moments, moments_of_rows, publish, published

BOTH = pytest.mark.parametrize("iotdb", ["sqlite", "timestamp"], indirect=True)
#: What packed the rollups.
PACKED = 1 + next(n for n, statements in enumerate(MIGRATIONS) if "sm_rollup_block" in statements[0])
DAY = date(2026, 11, 20)


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "archive")


@pytest.fixture
def gateway(iotdb):
    if iotdb.database.dialect == "mysql":
        iotdb.execute(DDL)
    return iotdb


def readings(days: int) -> list:
    """Extreme values, and names of all kinds, among them."""
    names = ("ab", "AB", "ab ", "ção", "a'b", "\\")
    values = (2**31 - 1, -(2**31), 0, 7)
    at = days_ago(days)
    return [
        reading(at + timedelta(seconds=n), device=name, sensor=n % 2, data=value - n * (value > 0))
        for n, (name, value) in enumerate([(name, value) for name in names for value in values])
    ]


def make_old(iotdb) -> None:
    """As the version before left it: a row for each pair and day, in tables that are gone now."""
    words = migrations._WORDS[iotdb.database.dialect]
    made = [statement.format(**words) for statement in MIGRATIONS[3]]
    iotdb.execute(*made)
    with iotdb.database.reading() as connection:
        blocks = connection.execute(sa.select(rollup_block)).all()
    by_day = defaultdict(dict)
    for block in blocks:
        table = "sm_rollup_live" if block.source == "live" else "sm_rollup"
        by_day[table, block.day].update(to_pairs(unpack(block.payload)))
    for (table, day), pairs in by_day.items():
        for pair, found in pairs.items():
            numbers = f"{found.n}, '{found.sum_x}', '{found.sum_x2}', {found.min_x}, {found.max_x}"
            iotdb.execute(f"INSERT INTO {table} VALUES ('{day}', X'{pair.device.hex()}', {pair.sensor}, {numbers})")
    iotdb.execute(
        "INSERT INTO sm_rollup_object SELECT * FROM sm_rollup_counted",
        "INSERT INTO sm_rollup_day SELECT * FROM sm_rollup_remembered",
        *(f"DROP TABLE {name}" for name in ("sm_rollup_block", "sm_rollup_counted", "sm_rollup_remembered")),
        f"DELETE FROM sm_migration WHERE version >= {PACKED}",
    )


def tables_of(iotdb) -> set[str]:
    with iotdb.database.reading() as connection:
        return set(sa.inspect(connection).get_table_names())


@BOTH
def test_rollups_of_a_row_for_each_pair_become_blocks_that_tell_the_same_to_the_last_bit(gateway, store, staging):
    rows = readings(3) + readings(2) + readings(1) + readings(0)
    gateway.insert(rows)
    run(make_job(gateway, store, staging, before=days_ago(1).date()))
    assert publish(gateway, store).problems == ()
    before, table = moments(gateway), published(gateway)
    assert before == moments_of_rows(rows)
    make_old(gateway)
    assert upgrade(gateway.database) == len(MIGRATIONS) - PACKED + 1
    assert not tables_of(gateway) & {*RETIRED}
    assert moments(gateway) == {}
    assert publish(gateway, store).counts["objects_counted"] == 2
    assert moments(gateway) == before
    assert published(gateway) == table


@BOTH
def test_an_instance_that_upgrades_late_leaves_what_another_has_counted_meanwhile(gateway, store, staging):
    rows = readings(2)
    gateway.insert(rows)
    make_old(gateway)
    upgrade(gateway.database)
    run(make_job(gateway, store, staging))
    # It asked for the version before the other one was done, and repeats it all.
    gateway.execute(f"DELETE FROM sm_migration WHERE version >= {PACKED}")
    assert upgrade(gateway.database) == len(MIGRATIONS) - PACKED + 1
    assert "objects_counted" not in publish(gateway, store).counts
    assert moments(gateway) == moments_of_rows(rows)


@BOTH
def test_one_device_is_told_by_day_and_sensor_wherever_its_readings_are(gateway, store, staging):
    archived, kept, today = readings(3) + readings(2), readings(1), readings(0)
    gateway.insert(archived + kept + today)
    run(make_job(gateway, store, staging, before=days_ago(1).date()))
    gateway.insert(late := readings(2)[:2])
    publish(gateway, store)
    rollups = Rollups(gateway.database)
    with gateway.database.reading() as connection:
        found = rollups.of_device(connection, b"ab", days_ago(2).date())
        assert rollups.of_device(connection, b"nobody", days_ago(9).date()) == {}
    days = {2: readings(2) + late, 1: kept, 0: today}
    assert {day: {sensor: each.sum_x2 for sensor, each in sensors.items()} for day, sensors in found.items()} == {
        days_ago(back).date(): {
            sensor: values[2] for (device, sensor), values in moments_of_rows(rows).items() if device == "ab"
        }
        for back, rows in days.items()
    }


@BOTH
def test_any_bytes_in_a_name_and_any_payload_survive_the_database(gateway):
    """Names of all bytes, in many blocks, and values as large as they come."""
    pairs = {
        Pair(bytes([n % 256]) * (n // 256 + 1), sensor): Moments(n + 1, -(2**63) * n, 2**126 * n, -(2**63), 2**63 - 1)
        for n in range(3000)
        for sensor in (-(2**63), 0, 2**63 - 1)
    }
    blocks = list(pack(from_pairs(sorted(pairs.items()))))
    assert len(blocks) > 1
    rollups = Rollups(gateway.database)
    with gateway.database.transaction() as tx:
        rollups.replace_live(tx, DAY, blocks, Remembered(1, ""))
    with gateway.database.snapshot() as connection:
        assert dict(rollups.merged(connection, DAY, DAY)) == pairs
        last = bytes([183]) * 12
        assert rollups.of_device(connection, last, DAY)[DAY][0] == pairs[Pair(last, 0)]


def sources(iotdb) -> list[str]:
    return [source for (source,) in iotdb.execute("SELECT DISTINCT source FROM sm_rollup_block WHERE source <> 'live'")]


@BOTH
def test_blocks_of_many_generations_of_a_closed_day_are_put_together(gateway, store, staging):
    rows = []
    for generation in range(MANY_SOURCES + 1):
        late = readings(2)[generation:]
        gateway.insert(late)
        rows += late
        run(make_job(gateway, store, staging))
        publish(gateway, store)
        assert moments(gateway) == moments_of_rows(rows)
    assert sources(gateway) == ["objects"]
    gateway.insert(late := readings(2)[:3])
    run(make_job(gateway, store, staging))
    assert len(sources(gateway)) == 2
    for result in (publish(gateway, store), publish(gateway, store, rebuild=True)):
        assert result.problems == ()
        assert moments(gateway) == moments_of_rows(rows + late)


@pytest.mark.parametrize("iotdb", ["timestamp"], indirect=True)
@pytest.mark.parametrize("clears", [False, True], ids=["adds", "clears"])
def test_an_export_that_works_on_a_day_whose_blocks_are_put_together_is_noticed(gateway, clears):
    rollups = Rollups(gateway.database)
    blocks = list(pack(from_pairs([(Pair(b"ab", 1), Moments(1, 2, 4, 2, 2))])))
    with gateway.database.transaction() as tx:
        for number in range(3):
            rollups._insert(tx, DAY, f"{number}-g0", blocks)

    class Interrupted(Rollups):
        def _keys(self, *arguments):
            found = super()._keys(*arguments)
            with gateway.database.transaction() as other:
                rollups.clear_archived(other, DAY) if clears else rollups._insert(other, DAY, "3-g0", blocks)
            return found

    with gateway.database.transaction() as tx:
        whole = Interrupted(gateway.database).put_together(tx, DAY)
        if clears:
            tx.rollback()
    assert whole is not clears
    assert moments(gateway) == ({} if clears else {("ab", 1): (4, 8, 16, 2, 2)})


@pytest.mark.parametrize("iotdb", ["timestamp"], indirect=True)
def test_two_writers_of_one_day_do_not_wait_for_each_other(gateway):
    """An export journals an object while the statistics are about to commit what they summed up."""
    rollups = Rollups(gateway.database)
    blocks = list(pack(from_pairs([(Pair(b"ab", 1), Moments(1, 2, 4, 2, 2))])))
    with gateway.database.transaction() as statistics, gateway.database.transaction() as export:
        rollups.replace_live(statistics, DAY, blocks, Remembered(1, ""))
        rollups.count_objects(export, DAY, [Counted(1, 0)], blocks)
        rollups.count_objects(statistics, DAY, [Counted(2, 0), Counted(3, 0)], blocks)
    assert moments(gateway) == {("ab", 1): (3, 6, 12, 2, 2)}
