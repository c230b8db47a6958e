"""Statistics on real databases: every reading counts once, wherever it is, and the table is replaced as a whole."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.objects import open_store
from servicemanager.archive.proof import Stores
from servicemanager.archive.restore import RestoreJob
from servicemanager.archive.verify import Days
from servicemanager.cluster.lease import acquire
from servicemanager.config import Guard
from servicemanager.errors import DatabaseRefused, LeaseHeld
from servicemanager.export.adopt import adopt_objects
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.upgrade import upgrade
from servicemanager.jobs.job import JobContext, Silence
from servicemanager.statistics.judge import Kind
from support.exports import days_ago, make_job, run
from support.iotdb import ZONE, facts_ddl, mysql_iotdb, reading
from support.leases import MINUTE
from support.statistics import DDL, expected, make_statistics, moments, moments_of_rows, publish, published


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "archive")


@pytest.fixture
def gateway(iotdb):
    """The same database with the table that the gateway reads."""
    if iotdb.database.dialect == "mysql":
        iotdb.execute(DDL)
    return iotdb


@pytest.fixture
def mariadb(mysql_server, mysql_database):
    made = mysql_iotdb(mysql_server, mysql_database, facts_ddl(nullable=True))
    made.execute(DDL)
    upgrade(made.database)
    yield made
    made.database.close()


def some(days: int, number: int = 40, **values) -> list:
    """Readings of one day: three boards, two sensors, duplicates among them."""
    rows = [
        reading(days_ago(days) + timedelta(seconds=n % 17), **{"device": f"board {n % 3}", "sensor": n % 2, **values})
        for n in range(number)
    ]
    return [(*row[:11], 200 + 7 * n % 23, row[12]) for n, row in enumerate(rows)]


def stands(iotdb, store, rows) -> None:
    """Both the moments and the published table are those of the rows, and a rebuild changes nothing."""
    assert publish(iotdb, store).problems == ()
    assert moments(iotdb) == moments_of_rows(rows)
    table = published(iotdb)
    assert table == {pair: pytest.approx(figures, rel=1e-5) for pair, figures in expected(rows).items()}
    assert publish(iotdb, store, rebuild=True).problems == ()
    assert moments(iotdb) == moments_of_rows(rows)
    assert published(iotdb) == table


def test_statistics_are_the_same_before_and_after_an_export_purges_what_they_were_made_of(gateway, store, staging):
    rows = some(3) + some(2) + some(1) + some(0, 7)
    gateway.insert(rows)
    stands(gateway, store, rows)
    run(make_job(gateway, store, staging, slice_rows=8))
    assert sum(gateway.rows().values()) == 7
    stands(gateway, store, rows)


def test_rows_that_are_archived_and_not_purged_yet_count_once(gateway, store, staging):
    rows = some(2) + some(1) + some(0)
    gateway.insert(rows)
    run(make_job(gateway, store, staging, no_purge=True, slice_rows=8))
    stands(gateway, store, rows)


def test_late_rows_in_an_archived_slice_count_before_and_after_they_are_archived_too(gateway, store, staging):
    rows = some(2) + some(1)
    gateway.insert(rows)
    run(make_job(gateway, store, staging, no_purge=True, slice_rows=8))
    late = [*some(2, 3), reading(days_ago(1), device="a late board")]
    gateway.insert(late)
    stands(gateway, store, rows + late)
    run(make_job(gateway, store, staging, slice_rows=8))
    stands(gateway, store, rows + late)


def test_late_rows_in_a_purged_day_count_too(gateway, store, staging):
    rows, late = some(2), some(2, 5)
    gateway.insert(rows)
    run(make_job(gateway, store, staging))
    gateway.insert(late)
    stands(gateway, store, rows + late)
    run(make_job(gateway, store, staging))
    stands(gateway, store, rows + late)


def test_objects_of_a_version_that_kept_no_rollups_are_counted_at_the_next_run(gateway, store, staging):
    rows = some(2) + some(1)
    gateway.insert(rows)
    run(make_job(gateway, store, staging))
    gateway.execute("DELETE FROM sm_rollup_block", "DELETE FROM sm_rollup_counted")
    assert publish(gateway, store).counts["objects_counted"] == 2
    stands(gateway, store, rows)


def test_an_object_that_was_taken_out_of_the_journal_by_hand_is_not_counted_twice(gateway, store, staging):
    rows = some(2) + some(1)
    gateway.insert(rows)
    run(make_job(gateway, store, staging, no_purge=True))
    for key in [stat.key for stat in store.list("facts/")][:1]:
        (store._root / key).unlink()
    for table in ("sm_archive_object", "sm_archive_part"):
        gateway.execute(f"DELETE FROM {table} WHERE archive_id = (SELECT MIN(id) FROM sm_archive)")
    stands(gateway, store, rows)
    gateway.execute("DELETE FROM sm_rollup_counted", "INSERT INTO sm_rollup_counted SELECT MIN(id), 0 FROM sm_archive")
    run(make_job(gateway, store, staging))
    stands(gateway, store, rows)


def test_readings_that_were_restored_into_facts_or_adopted_count_once(gateway, store, staging):
    rows = some(2) + some(1)
    gateway.insert(rows)
    run(make_job(gateway, store, staging, slice_rows=8))
    days = Days(days_ago(2).date(), days_ago(2).date())
    run(RestoreJob(gateway.database, Stores(store, open_store), days, "Facts", ZONE))
    stands(gateway, store, rows)
    forgotten = ("archive", "archive_object", "archive_part", "rollup_block", "rollup_counted", "rollup_remembered")
    gateway.execute(*(f"DELETE FROM sm_{name}" for name in forgotten))
    job = make_job(gateway, store, staging)
    lease = acquire(gateway.database, "job:export", "a person", MINUTE)
    assert adopt_objects(job.tools(JobContext(lease, Silence(), threading.Event()))).objects == 2
    stands(gateway, store, rows)


def test_without_the_objects_that_were_never_counted_the_table_is_left_as_it_is(gateway, store, staging):
    gateway.insert(some(1))
    publish(gateway, store)
    before = published(gateway)
    run(make_job(gateway, store, staging))
    gateway.execute("DELETE FROM sm_rollup_block", "DELETE FROM sm_rollup_counted")
    problems = publish(gateway, None).problems
    assert "No bucket is configured" in problems[0]
    assert "left as it is" in problems[1]
    assert published(gateway) == before


def test_closed_days_that_did_not_change_are_not_summed_up_again(gateway, store):
    gateway.insert(some(3) + some(2) + some(1) + some(0))
    assert publish(gateway, store, days=5).counts["days_summed_up"] == 4
    assert publish(gateway, store, days=5).counts["days_summed_up"] == 1
    gateway.insert(some(2, 1))  # the database's clock was set back
    assert publish(gateway, store, days=5).counts["days_summed_up"] == 2
    assert moments(gateway) == moments_of_rows(gateway.rows())


def test_only_the_days_of_the_window_count(gateway, store, staging):
    old, recent = some(4) + some(3), some(1) + some(0)
    gateway.insert(old + recent)
    run(make_job(gateway, store, staging))
    publish(gateway, store, days=2)
    assert published(gateway).keys() == expected(recent).keys()
    assert published(gateway)["board 0", 0] == pytest.approx(expected(recent)["board 0", 0], rel=1e-5)


class SetBack(Database):
    """Its clock is a day late."""

    def now(self, connection):
        return super().now(connection) - timedelta(days=1)


@pytest.mark.parametrize("days", [0, 30])
def test_a_clock_that_is_set_back_by_a_day_and_put_right_again_counts_nothing_twice(gateway, store, staging, days):
    until_yesterday, today, late = some(2) + some(1), some(0), some(1, 5)
    gateway.insert(until_yesterday + today)
    publish(gateway, store, days=days)
    late_clock = replace(gateway, database=SetBack(**vars(gateway.database)))
    gateway.insert(late)
    publish(late_clock, store, days=days, force=True)
    assert published(gateway) == {
        pair: pytest.approx(figures, rel=1e-5) for pair, figures in expected(until_yesterday + late).items()
    }
    run(make_job(gateway, store, staging))
    publish(gateway, store, days=days)
    assert moments(gateway) == moments_of_rows(until_yesterday + today + late)


def test_rows_from_the_future_wait_until_their_day_has_come(gateway, store):
    gateway.insert([*some(0), reading(days_ago(-2), device="ahead")])
    publish(gateway, store, days=30)
    assert ("ahead", 1) not in published(gateway)


def test_devices_whose_names_differ_in_case_blanks_or_quotes_only_are_told_apart(gateway, store, staging):
    names = ["ab", "AB", "ab ", "a'b", 'a"b;--', "ção %s :x", "\\"]
    rows = [
        reading(days_ago(day), device=name, data=100 * n + day) for n, name in enumerate(names) for day in (2, 1, 0)
    ]
    gateway.insert(rows)
    run(make_job(gateway, store, staging, before=None))
    stands(gateway, store, rows)
    assert len(published(gateway)) == len(names)


def test_a_day_of_identical_readings_and_readings_as_large_as_they_come_stay_exact(gateway, store, staging):
    extremes = [reading(days_ago(1), device="edge", data=value) for value in (2**31 - 1, 2**31 - 2, -(2**31))]
    rows = [reading(days_ago(1), data=2**31 - 1)] * 20_000 + extremes
    gateway.insert(rows)
    stands(gateway, store, rows)
    run(make_job(gateway, store, staging))
    stands(gateway, store, rows)


def test_readings_without_a_sensor_a_value_or_a_device_are_left_out(mariadb, store, staging):
    lacking = [reading(days_ago(1), **{name: None}) for name in ("sensor", "data", "device")]
    rows = some(1)
    mariadb.insert(rows + lacking)
    publish(mariadb, store)
    assert moments(mariadb) == moments_of_rows(rows)
    run(make_job(mariadb, store, staging))
    stands(mariadb, store, rows)


def test_a_sensor_that_the_filter_would_silence_is_withheld_with_its_reason(gateway, store):
    silenced = {"constant": [42, 42, 42], "single": [7], "steady": [250, 258, 242]}
    fit = {"noisy": [0, 10, 90], "negative": [-20, -30]}
    for device, values in {**silenced, **fit}.items():
        gateway.insert([reading(days_ago(0, 0), device=device, data=value) for value in values])
    result = publish(gateway, store, guard=Guard.WITHHOLD)
    assert {device for device, _ in published(gateway)} == set(fit)
    assert result.counts["pairs_unfit"] == 3
    assert "3 pairs" in result.notices[0]
    publish(gateway, store, guard=Guard.REPORT)
    assert {device for device, _ in published(gateway)} == {*silenced, *fit}


def test_a_table_that_would_shrink_by_more_than_half_is_left_as_it_is_unless_forced(gateway, store):
    gateway.insert(some(0))
    publish(gateway, store)
    before = published(gateway)
    gateway.execute("DELETE FROM Facts WHERE device <> 'board 0'")
    result = publish(gateway, store)
    assert "of its 6 rows 2 would remain" in result.problems[0]
    assert published(gateway) == before
    assert publish(gateway, store, force=True).problems == ()
    assert len(published(gateway)) == 2


def test_a_comparison_tells_what_would_change_and_publishes_nothing(gateway, store):
    gateway.insert(some(0))
    publish(gateway, store)
    before = published(gateway)
    gateway.execute("DELETE FROM Facts WHERE device = 'board 2'")
    gateway.insert([reading(days_ago(0, 0), device="board 0", sensor=0, data=9999), reading(days_ago(0, 0), sensor=9)])
    told: list = []
    result = run(make_statistics(gateway, store, found=told.append))
    assert Counter(change.kind for change in told) == {Kind.GONE: 2, Kind.CHANGED: 1, Kind.NEW: 1}
    assert result.counts["pairs_same"] == 3
    assert published(gateway) == before


def test_extra_columns_of_the_table_are_left_to_their_defaults(mariadb, store):
    mariadb.execute("ALTER TABLE DeviceStatistics ADD COLUMN note VARCHAR(9) NOT NULL DEFAULT 'kept'")
    mariadb.insert(some(0))
    assert publish(mariadb, store).problems == ()
    assert mariadb.execute("SELECT DISTINCT note FROM DeviceStatistics") == [("kept",)]


def test_a_key_that_takes_two_names_for_one_lets_the_first_of_them_in_and_the_rest_is_published(mariadb, store):
    mariadb.execute("ALTER TABLE DeviceStatistics ADD PRIMARY KEY (device, sensor)")
    names = ["AB", "ab", "ab ", "other"]
    mariadb.insert([reading(days_ago(0, 0), device=name, data=n) for n, name in enumerate(names) for _ in range(3)])
    result = publish(mariadb, store)
    assert {device: average for (device, _), (average, *_) in published(mariadb).items()} == {"AB": 0, "other": 3}
    assert result.counts["pairs_published"] == 2
    assert "2 pairs of device and sensor were left out" in result.notices[0]


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["DROP TABLE DeviceStatistics"], "There is no table DeviceStatistics"),
        (["RENAME TABLE DeviceStatistics TO t", "CREATE VIEW DeviceStatistics AS SELECT * FROM t"], "is a view"),
        (["ALTER TABLE DeviceStatistics ENGINE=MyISAM"], "half-written: ALTER TABLE"),
        (["ALTER TABLE DeviceStatistics DROP COLUMN error"], "lacks the column error"),
    ],
    ids=["missing", "a view", "MyISAM", "a column is missing"],
)
def test_a_table_that_can_t_be_replaced_in_one_transaction_is_refused(mariadb, store, statements, words):
    mariadb.execute(*statements)
    with pytest.raises(DatabaseRefused, match=words):
        publish(mariadb, store)


def test_two_runs_at_once_are_one_run(gateway, store):
    acquire(gateway.database, "job:statistics", "the other one", MINUTE)
    with pytest.raises(LeaseHeld, match="Another statistics is at work"):
        publish(gateway, store)


def test_a_gateway_that_reads_in_a_tight_loop_never_sees_the_table_empty_short_or_mixed(mariadb, store):
    """Each publication moves every average by the same amount, so any mixture would show."""
    base = [reading(days_ago(0, 0), device=f"d{n}", data=0) for n in range(1500)]
    mariadb.insert(base)
    publish(mariadb, store)
    over, seen, wrong = threading.Event(), set(), []

    def read() -> None:
        connection = mariadb.server.connect(mariadb.login.database)
        with connection.cursor() as cursor:
            while not over.is_set():
                cursor.execute("SELECT COUNT(*), COUNT(DISTINCT average), MIN(average) FROM DeviceStatistics")
                rows, kinds, average = cursor.fetchone()
                seen.add(average)
                if (rows, kinds) != (1500, 1):
                    wrong.append((rows, kinds))
        connection.close()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(4):
            mariadb.execute("UPDATE Facts SET data = data + 1000")
            assert publish(mariadb, store).problems == ()
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert wrong == []
    assert len(seen) > 1
