"""`servicemanager lake` on this machine: the rollups' numbers, and verify's findings."""

import pytest

from servicemanager.iotdb.moments import Moments
from servicemanager.lake import facts
from servicemanager.lake.moments import MOMENTS_SQL, found_in, together
from support.cli import servicemanager
from support.exports import days_ago, make_job, run
from support.iotdb import reading
from support.lake import Opened
from support.statistics import DDL, moments, moments_of_rows, publish

FAR = 2**31 - 1
#: Values whose squares exceed 64 bits together, names that a collation takes for one.
ROWS = [
    reading(days_ago(day), device=device, sensor=sensor, data=data)
    for day in (3, 2, 1, 0)
    for device in ("AA:01", "aa:01", "aa:01 ", "ção;")
    for sensor in (0, 7)
    for data in (FAR, -FAR - 1, FAR, 0, day)
]


@pytest.mark.parametrize("store", ["folder"], indirect=True)
@pytest.mark.parametrize("iotdb", ["sqlite", "timestamp"], indirect=True)
def test_the_moments_of_duckdb_are_those_of_the_rollups_to_the_last_bit(iotdb, store, staging, tmp_path):
    if iotdb.login:
        iotdb.execute(DDL)
    iotdb.insert(ROWS)
    run(make_job(iotdb, store, staging, slice_rows=9))
    late = [reading(days_ago(2), device="AA:01", sensor=7, data=5)]
    iotdb.insert(late)
    publish(iotdb, store)
    with facts(Opened(iotdb, store, tmp_path)) as lake:
        found = list(found_in(lake.query(MOMENTS_SQL)))
        live = lake.query(MOMENTS_SQL, archived=False)
        there = [store.url_of(stat.key) for stat in store.list("facts/creation_date")]
        assert live.objects == there
        assert sum(each.n for _, each in found_in(live)) == len(ROWS) // 4 + 1
    spelled = {(pair.device.decode(), pair.sensor): (m.n, m.sum_x, m.sum_x2, m.min_x, m.max_x) for pair, m in found}
    assert spelled == moments(iotdb) == moments_of_rows(ROWS + late)
    assert [pair for pair, _ in found] == sorted(pair for pair, _ in found)


def test_parts_are_added_up_in_order():
    one, two = Moments(1, 5, 25, 5, 5), Moments(2, 2**70, 2**130, -1, 9)
    assert list(together([("a", one), ("c", one)], [("b", two), ("c", two)])) == [
        ("a", one),
        ("b", two),
        ("c", one + two),
    ]


def test_the_commands_print_what_was_found(site):
    site.iotdb.insert(ROWS)
    site.complete(ROWS, today=[row for row in ROWS if row[12] == days_ago(0)])

    def lake(*arguments: str):
        return servicemanager("lake", *arguments, environ=site.environ, folder=site.folder)

    found = lake("statistics", "--json").document
    assert (found["engine"], found["pairs"], found["readings"]) == ("duckdb", 8, len(ROWS))
    spelled = {(each["device"], each["sensor"]): each["sum_x2"] for each in found["statistics"]}
    assert spelled == {pair: each[2] for pair, each in moments_of_rows(ROWS).items()}
    table = lake("statistics").stdout.splitlines()
    assert (len(table), table[0].split()[:3]) == (9, ["device", "sensor", "readings"])
    sound = lake("verify", "--json").document
    assert (sound["engine"], sound["verdicts"]) == ("duckdb", {"sound": 3})
    site.store.put_new("facts/creation_date=2026-01-01/20260101T030000Z-20260102T030000Z-g0.parquet", b"PAR1", {})
    damaged = lake("verify")
    assert (damaged.status, "damaged" in damaged.stdout) == (1, True)
    assert lake("verify", "--master", "local[1]").status == 2
