"""The export over every form of the database, to a folder and to S3."""

import dataclasses
from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest

from servicemanager.errors import DatabaseRefused
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.upgrade import upgrade
from support.exports import archived_rows, archived_tables, days_ago, make_job, run
from support.iotdb import facts_ddl, mysql_iotdb, reading


def readings_of(days: int, each: int = 40) -> list:
    """Some readings of each of the last `days` days and of today, exact duplicates among them."""
    rows = []
    for day in range(days + 1):
        rows += [
            reading(days_ago(day, 0) + timedelta(seconds=n % 7), device=f"board {n % 5}", data=n % 3)
            for n in range(each)
        ]
    return rows


def test_old_readings_move_into_the_archive_and_todays_stay(iotdb, store, staging):
    rows = readings_of(3)
    iotdb.insert(rows)
    result = run(make_job(iotdb, store, staging))
    assert result.problems == ()
    assert archived_rows(store) == Counter(rows[40:])
    assert iotdb.rows() == Counter(rows[:40])
    assert result.counts["rows_archived"] == result.counts["rows_purged"] == 120
    assert list(staging.iterdir()) == []


def test_a_second_run_has_nothing_to_do(iotdb, store, staging):
    iotdb.insert(readings_of(3))
    run(make_job(iotdb, store, staging))
    before = archived_rows(store)
    assert run(make_job(iotdb, store, staging)).counts == {}
    assert archived_rows(store) == before


def test_late_rows_that_equal_purged_ones_become_a_further_generation(iotdb, store, staging):
    rows = readings_of(2)
    iotdb.insert(rows)
    run(make_job(iotdb, store, staging, slice_rows=10))
    late = [*rows[40:50], reading(days_ago(2, 3), data=99)]
    iotdb.insert(late)
    result = run(make_job(iotdb, store, staging, slice_rows=10))
    assert result.problems == ()
    assert result.counts["rows_late"] == result.counts["rows_purged"] == 11
    assert archived_rows(store) == Counter(rows[40:] + late)
    assert iotdb.rows() == Counter(rows[:40])
    generations = Counter(key[-10:] for key, _ in archived_tables(store))
    assert generations == {"g0.parquet": 2, "g1.parquet": 2}


def test_without_purge_everything_stays_and_nothing_is_archived_twice(iotdb, store, staging):
    rows = readings_of(2)
    iotdb.insert(rows)
    run(make_job(iotdb, store, staging, purge=False))
    run(make_job(iotdb, store, staging, purge=False))
    assert iotdb.rows() == Counter(rows)
    assert archived_rows(store) == Counter(rows[40:])
    iotdb.insert(rows[45:50])
    run(make_job(iotdb, store, staging, purge=False))
    assert archived_rows(store) == Counter(rows[40:] + rows[45:50])
    run(make_job(iotdb, store, staging))
    assert iotdb.rows() == Counter(rows[:40])
    assert archived_rows(store) == Counter(rows[40:] + rows[45:50])


def test_a_dry_run_changes_nothing(iotdb, store, staging):
    rows = readings_of(2)
    iotdb.insert(rows)
    plan = make_job(iotdb, store, staging).plan()
    assert [planned.rows for planned in plan.windows] == [40, 40]
    assert iotdb.rows() == Counter(rows)
    assert archived_rows(store) == Counter()
    assert list(store.list("")) == []


@pytest.mark.parametrize("iotdb", ["datetime"], indirect=True)
def test_duckdb_reads_the_archive_as_it_is(iotdb, tmp_path, staging):
    from servicemanager.archive.folder import FolderStore

    rows = readings_of(2)
    iotdb.insert(rows)
    run(make_job(iotdb, FolderStore(tmp_path / "archive"), staging))
    query = f"""SELECT creation_date, count(*), sum(data) FROM read_parquet('{tmp_path}/archive/facts/*/*.parquet',
        hive_partitioning = true) GROUP BY ALL ORDER BY ALL"""
    found = duckdb.sql(query).fetchall()
    assert [(day, n, total) for day, n, total in found] == [
        ((days_ago(d, 12)).date(), 40, sum(n % 3 for n in range(40))) for d in (2, 1)
    ]


@pytest.mark.parametrize("iotdb", ["sqlite", "timestamp", "datetime"], indirect=True)
def test_a_changed_zone_cuts_nothing_anew(iotdb, store, staging):
    rows = readings_of(3)
    iotdb.insert(rows)
    zones = [ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Tokyo", "America/Los_Angeles", "Asia/Kathmandu")]
    run(make_job(iotdb, store, staging, purge=False))
    for zone in zones:
        iotdb.insert(rows[50:52])
        run(make_job(iotdb, store, staging, purge=False, zone=zone))
    everything = rows + rows[50:52] * 4
    assert iotdb.rows() == Counter(everything)
    for zone in zones:  # whose midnights differ: what one of them archived, it alone may call old enough to purge
        run(make_job(iotdb, store, staging, zone=zone))
    run(make_job(iotdb, store, staging))
    assert iotdb.rows() + archived_rows(store) == Counter(everything)


def test_a_datetime_column_that_changes_its_zone_is_refused_while_readings_wait_for_their_purge(
    mysql_server, mysql_database, store, staging
):
    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl(kind="DATETIME"))
    upgrade(iotdb.database)
    iotdb.insert(readings_of(1))
    run(make_job(iotdb, store, staging, purge=False))
    moved = dataclasses.replace(make_job(iotdb, store, staging), facts=Facts.open(iotdb.database, "Europe/Berlin"))
    with pytest.raises(DatabaseRefused, match=r"was DATETIME in America/Sao_Paulo"):
        run(moved)
    run(make_job(iotdb, store, staging))
    assert run(moved).problems == ()
    iotdb.database.close()
