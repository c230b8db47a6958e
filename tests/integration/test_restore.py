"""What was archived comes back exactly, and only once."""

import threading
from collections import Counter

import pytest

from servicemanager.archive.restore import Source
from servicemanager.archive.verify import Days
from servicemanager.errors import ArchiveRefused, DatabaseRefused, Stopped
from servicemanager.iotdb.columns import COLUMNS
from support.exports import archived_rows, days_ago, make_job, restore, rows_of_table, run
from support.iotdb import reading

ROWS = [
    *[reading(days_ago(day, hour), data=n) for day in (3, 2, 1) for hour in (1, 14) for n in range(5)],
    *[reading(days_ago(2))] * 4,
    reading(days_ago(2), device='it\'s; "50%" \\ 😀', channel="a\nb\0c", data=-(2**31)),
]
LATE = [ROWS[0], reading(days_ago(3), data=77)]


@pytest.fixture
def archived(iotdb, store, staging):
    """Everything archived and purged, with a second generation of the oldest day."""
    iotdb.insert(ROWS)
    run(make_job(iotdb, store, staging, slice_rows=4))
    iotdb.insert(LATE)
    run(make_job(iotdb, store, staging, slice_rows=4))
    assert iotdb.rows() == Counter()
    return store


@pytest.mark.parametrize("source", list(Source))
def test_all_rows_come_back_into_a_table_of_their_own_and_repeating_changes_nothing(iotdb, archived, source):
    result = restore(iotdb, archived, source=source)
    assert result.counts["rows_restored"] == len(ROWS) + len(LATE)
    assert rows_of_table(iotdb, "Facts_restored") == Counter(ROWS + LATE)
    assert restore(iotdb, archived, source=source).counts["rows_restored"] == 0
    assert rows_of_table(iotdb, "Facts_restored") == Counter(ROWS + LATE)
    assert iotdb.rows() == Counter()


def test_only_the_days_asked_for_come_back(iotdb, archived):
    day = days_ago(2).date()
    restore(iotdb, archived, days=Days(day, day))
    assert rows_of_table(iotdb, "Facts_restored") == Counter(ROWS[10:20] + ROWS[30:])


def test_into_facts_they_are_archived_but_not_purged_and_the_next_export_doubles_nothing(iotdb, archived, staging):
    before = archived_rows(archived)
    assert restore(iotdb, archived, "Facts").counts["rows_restored"] == len(ROWS) + len(LATE)
    assert iotdb.rows() == Counter(ROWS + LATE)
    assert restore(iotdb, archived, "Facts").counts["rows_restored"] == 0
    run(make_job(iotdb, archived, staging, purge=False))
    assert archived_rows(archived) == before
    late = reading(days_ago(1), data=5)
    iotdb.insert([late])
    run(make_job(iotdb, archived, staging))
    assert iotdb.rows() == Counter()
    assert archived_rows(archived) == before + Counter([late])


def test_rows_that_arrived_since_stay_beside_those_that_come_back(iotdb, archived, staging):
    late = [ROWS[0], reading(days_ago(1), data=5)]
    iotdb.insert(late)
    restore(iotdb, archived, "Facts")
    assert iotdb.rows() == Counter(ROWS + LATE + late)
    run(make_job(iotdb, archived, staging))
    assert iotdb.rows() == Counter()
    assert archived_rows(archived) == Counter(ROWS + LATE + late)


@pytest.mark.parametrize("iotdb", ["sqlite", "timestamp"], indirect=True)
@pytest.mark.parametrize("target", ["Facts; DROP TABLE Facts", "sm_archive", "Registration", "a.b", ""])
def test_a_table_that_is_not_ours_to_fill_is_refused(iotdb, store, target):
    with pytest.raises(ArchiveRefused, match="can't be restored into"):
        restore(iotdb, store, target)


@pytest.mark.parametrize("iotdb", ["sqlite", "timestamp"], indirect=True)
def test_a_table_with_other_rows_is_refused(iotdb, archived):
    iotdb.execute("CREATE TABLE mine (n INT)", "INSERT INTO mine VALUES (1)")
    with pytest.raises(ArchiveRefused, match="holds rows that were not restored"):
        restore(iotdb, archived, "mine")


@pytest.mark.parametrize("iotdb", ["sqlite", "timestamp"], indirect=True)
def test_a_table_with_fewer_columns_is_refused(iotdb, archived):
    iotdb.execute("CREATE TABLE narrow (device VARCHAR(20))")
    with pytest.raises(DatabaseRefused, match="narrow .* lacks the column"):
        restore(iotdb, archived, "narrow")


@pytest.mark.parametrize("iotdb", ["timestamp", "datetime"], indirect=True)
def test_a_run_that_was_stopped_half_way_is_finished_by_the_next(iotdb, archived):
    class StopAfterTwo(threading.Event):
        seen = 0

        def is_set(self) -> bool:
            self.seen += 1
            return self.seen > 3

    with pytest.raises(Stopped):
        restore(iotdb, archived, stop=StopAfterTwo())
    restore(iotdb, archived)
    assert rows_of_table(iotdb, "Facts_restored") == Counter(ROWS + LATE)
    with pytest.raises(Stopped):
        restore(iotdb, archived, "Facts", stop=StopAfterTwo())
    assert 0 < sum(iotdb.rows().values()) < len(ROWS)
    restore(iotdb, archived, "Facts")
    assert iotdb.rows() == Counter(ROWS + LATE)


@pytest.mark.parametrize("iotdb", ["timestamp"], indirect=True)
def test_null_comes_back_as_null(mysql_server, mysql_database, store, staging, iotdb):
    iotdb.execute("ALTER TABLE Facts MODIFY sensor INT NULL, MODIFY channel VARCHAR(50) NULL")
    rows = [reading(days_ago(1), sensor=None), reading(days_ago(1), channel=None), reading(days_ago(1), channel="")]
    iotdb.insert(rows)
    run(make_job(iotdb, store, staging))
    restore(iotdb, store, "Facts")
    assert iotdb.rows() == Counter(rows)
    assert len(COLUMNS) == 12
