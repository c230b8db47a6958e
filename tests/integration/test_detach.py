"""Partitions leave Facts whole: what goes so, what doesn't, and what is found that an earlier run left behind."""

from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import stamina

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.parquet import FOLDER
from servicemanager.errors import DatabaseRefused
from servicemanager.export.adopt import adopt_objects
from servicemanager.export.plan import Purge
from servicemanager.iotdb import twins
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.mysql import Login, open_mysql
from servicemanager.iotdb.partitions import read_layout
from servicemanager.iotdb.tables import detached
from servicemanager.iotdb.window import Window
from servicemanager.jobs.job import JobContext, JobResult
from support.exports import archived_rows, days_ago, make_job, restore, run
from support.iotdb import ZONE, Iotdb, reading
from support.partitions import partition, partition_of

ON_SERVERS = pytest.mark.parametrize("iotdb", ["timestamp", "datetime", "timestamp-unindexed"], indirect=True)
ON_ONE = pytest.mark.parametrize("iotdb", ["timestamp"], indirect=True)


@pytest.fixture
def archive(tmp_path) -> FolderStore:
    return FolderStore(tmp_path / "archive")


@pytest.fixture(autouse=True)
def impatient():
    """Whoever waits for a table tries again at once."""
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


def arrival(iotdb: Iotdb, day: int, hour: float = 12) -> datetime:
    """As the column holds that time of the local day."""
    utc = days_ago(day, 0) + timedelta(hours=hour)
    return iotdb.facts().time.to_stored(utc.replace(tzinfo=UTC))


def some(iotdb: Iotdb, *days: int, number: int = 10) -> list:
    return [reading(arrival(iotdb, day, n / 2), data=n) for day in days for n in range(number)] * 2


def fill(iotdb: Iotdb, *days: int) -> Counter:
    iotdb.insert(some(iotdb, *days))
    rows = iotdb.rows()
    partition(iotdb)
    return rows


def names(iotdb: Iotdb) -> list[str]:
    with iotdb.database.reading() as connection:
        return twins.existing(connection)


def assert_settled(iotdb: Iotdb) -> None:
    assert names(iotdb) == []
    assert iotdb.execute("SELECT * FROM sm_detached") == []


@ON_SERVERS
def test_days_that_are_due_leave_with_their_partitions(iotdb, archive, staging):
    rows = fill(iotdb, 3, 2, 1, 0)
    job = make_job(iotdb, archive, staging)
    plan = job.plan()
    assert [(each.rows, each.name) for each in plan.partitions] == [
        (20, partition_of(iotdb, arrival(iotdb, day)).name) for day in (3, 2, 1)
    ]
    assert [each["rows"] for each in plan.to_document()["partitions"]] == [20, 20, 20]
    result = run(job)
    assert result.problems == ()
    assert result.counts["rows_purged"] == 60
    assert result.counts["partitions_purged"] == result.counts["partitions_dropped"] == 3
    assert iotdb.rows() + archived_rows(archive) == rows
    assert iotdb.rows().total() == 20
    assert_settled(iotdb)
    layout = read_layout(iotdb.database)
    assert layout.days[0] == replace(partition_of(iotdb, arrival(iotdb, 0)), begin=layout.partitions[0].end)
    again = run(make_job(iotdb, archive, staging))
    assert (again.counts, again.problems) == ({}, ())


@ON_SERVERS
@pytest.mark.parametrize("wishes", [{"purge": False}, {"no_purge": True}])
def test_without_purge_nothing_is_detached(iotdb, archive, staging, wishes):
    rows = fill(iotdb, 2, 1)
    before = read_layout(iotdb.database)
    job = make_job(iotdb, archive, staging, **wishes)
    assert job.plan().partitions == ()
    assert run(job).problems == ()
    assert iotdb.rows() == rows == archived_rows(archive)
    assert read_layout(iotdb.database) == before


@ON_ONE
def test_late_rows_are_archived_and_leave_with_the_next_partition(iotdb, archive, staging):
    rows = fill(iotdb, 4, 3, 2)
    run(make_job(iotdb, archive, staging, days=3))
    late = some(iotdb, 3, number=3)
    iotdb.insert(late)
    result = run(make_job(iotdb, archive, staging, days=3))
    assert result.counts["rows_late"] == 6
    assert "partitions_purged" not in result.counts, "they got into the first partition"
    iotdb.insert(late)
    result = run(make_job(iotdb, archive, staging))
    assert (result.counts["rows_late"], result.counts["partitions_purged"]) == (6, 1)
    assert archived_rows(archive) == rows + Counter(late) + Counter(late)
    assert iotdb.rows() == Counter()


@ON_ONE
def test_rows_older_than_all_days_leave_the_first_partition_one_by_one(iotdb, archive, staging):
    iotdb.insert([reading(days_ago(200)), reading(days_ago(100))])
    rows = fill(iotdb, 1)
    result = run(make_job(iotdb, archive, staging))
    assert result.problems == ()
    assert archived_rows(archive) == rows
    assert result.counts["partitions_purged"] == 1
    assert read_layout(iotdb.database).partitions[0].begin is None


@ON_ONE
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_after_a_change_of_the_zone_windows_that_straddle_partitions_are_purged_row_by_row(
    iotdb, archive, staging, zone
):
    iotdb.insert([reading(days_ago(day, hour)) for day in (3, 2, 1) for hour in range(24)])
    rows = iotdb.rows()
    partition(iotdb)
    job = make_job(iotdb, archive, staging, zone=ZoneInfo(zone))
    plan = job.plan()
    assert plan.partitions == ()
    assert any("other midnights" in notice for notice in plan.notices)
    assert run(job).problems == ()
    run(make_job(iotdb, archive, staging))
    assert iotdb.rows() + archived_rows(archive) == rows
    assert iotdb.rows().total() <= 24


@ON_ONE
def test_a_day_of_which_somebody_deleted_archived_rows_is_purged_row_by_row(iotdb, archive, staging):
    rows = fill(iotdb, 2, 1)
    run(make_job(iotdb, archive, staging, purge=False))
    iotdb.execute(f"DELETE FROM Facts WHERE creationDate = '{arrival(iotdb, 2, 1)}'")
    result = run(make_job(iotdb, archive, staging))
    assert result.counts["partitions_purged"] == 1
    assert any("stand only in the archive" in notice for notice in result.notices)
    assert archived_rows(archive) == rows
    assert iotdb.rows() == Counter()


@ON_ONE
def test_a_transaction_that_has_facts_in_use_makes_the_purge_go_on_row_by_row(iotdb, archive, staging):
    rows = fill(iotdb, 2, 1)
    with closing(iotdb.server.connect(iotdb.login.database)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM Facts LIMIT 1")
        result = run(make_job(iotdb, archive, staging))
        assert result.problems == ()
        assert any(f"KILL {other.thread_id()}" in notice for notice in result.notices)
    assert archived_rows(archive) == rows
    assert iotdb.rows() == Counter()
    assert_settled(iotdb)
    assert run(make_job(iotdb, archive, staging)).notices == ()
    assert read_layout(iotdb.database).days[0] == replace(
        partition_of(iotdb, arrival(iotdb, 0)), begin=read_layout(iotdb.database).partitions[0].end
    )


@ON_ONE
def test_with_triggers_or_without_rights_the_purge_goes_row_by_row(iotdb, archive, staging):
    rows = fill(iotdb, 3, 2, 1)
    iotdb.execute("CREATE TRIGGER counted BEFORE DELETE ON Facts FOR EACH ROW SET @gone = OLD.data")
    plan = make_job(iotdb, archive, staging).plan()
    assert plan.partitions == ()
    assert any("triggers" in notice for notice in plan.notices)
    iotdb.execute("DROP TRIGGER counted")
    user, name = f"rows_{iotdb.login.database[-12:]}", iotdb.login.database
    ours = iotdb.execute("SHOW TABLES LIKE 'sm\\_%%'")
    iotdb.server.execute(f"CREATE USER {user} IDENTIFIED BY 'x'", f"GRANT SELECT, DELETE ON {name}.Facts TO {user}")
    iotdb.server.execute(*(f"GRANT ALL ON {name}.{table} TO {user}" for (table,) in ours))
    limited = replace(iotdb, database=open_mysql(Login(iotdb.login.hosts, user, name, "x")))
    result = run(make_job(limited, archive, staging))
    limited.database.close()
    iotdb.server.execute(f"DROP USER {user}")
    assert result.problems == ()
    assert any("GRANT ALTER, CREATE, DELETE, DROP" in notice for notice in result.notices)
    assert any("Empty partitions stay" in notice for notice in result.notices)
    assert archived_rows(archive) == rows
    assert iotdb.rows() == Counter()


@pytest.mark.parametrize("iotdb", ["datetime"], indirect=True)
def test_a_row_whose_date_is_none_goes_back_into_facts(iotdb, archive, staging):
    rows = fill(iotdb, 40, 1)
    month = days_ago(0).replace(day=1)
    columns = "channel,year,month,day,week_day,hour,minute,second,device_group,device,sensor,data"
    iotdb.insert(some(iotdb, (days_ago(0).date() - (month - timedelta(days=1)).date()).days))
    expected = iotdb.rows()
    iotdb.execute(
        "SET sql_mode=''", f"INSERT INTO Facts SELECT {columns},'{month:%Y-%m}-00' FROM Facts WHERE data = 7 LIMIT 1"
    )
    result = run(make_job(iotdb, archive, staging, zone=ZoneInfo(ZONE)))
    assert result.counts["rows_given_back"] == 21
    assert any("given back" in notice for notice in result.notices)
    assert archived_rows(archive) == expected
    assert iotdb.execute("SELECT COUNT(*) FROM Facts") == [(1,)]
    assert rows - expected == Counter()
    assert_settled(iotdb)


def make_twin(iotdb: Iotdb, day: int, *, journaled: bool, state: str = "intended") -> str:
    """As a run leaves it behind that was killed, or that went on after it was deposed."""
    found = partition_of(iotdb, arrival(iotdb, day))
    span = Window(found.begin.replace(tzinfo=UTC), found.end.replace(tzinfo=UTC))
    name = twins.twin_name(span, 99)
    if journaled:
        with iotdb.database.transaction() as tx:
            twins.intend(tx, twins.Twin(name, found.name, span, 99))
            tx.execute(sa.update(detached).values(state=state))
    twins.create(iotdb.database, name)
    twins.exchange(iotdb.database, found.name, name)
    return name


@ON_ONE
@pytest.mark.parametrize("journaled", [True, False])
@pytest.mark.parametrize("archived", [True, False])
def test_rows_that_an_earlier_run_detached_are_archived_once_and_purged(iotdb, archive, staging, journaled, archived):
    rows = fill(iotdb, 2, 1)
    if archived:
        run(make_job(iotdb, archive, staging, purge=False))
    late = some(iotdb, 2, number=2)
    iotdb.insert(late)
    name = make_twin(iotdb, 2, journaled=journaled)
    iotdb.insert(late)
    job = make_job(iotdb, archive, staging)
    assert any(name in notice for notice in job.plan().notices)
    result = run(job)
    assert result.problems == ()
    assert ("rows_given_back" in result.counts) == (not journaled or not archived)
    assert archived_rows(archive) == rows + Counter(late) + Counter(late)
    assert iotdb.rows() == Counter()
    assert_settled(iotdb)


@ON_ONE
def test_a_twin_that_rows_get_into_is_not_dropped_and_once_it_is_to_be_dropped_none_can(iotdb, archive, staging):
    rows = fill(iotdb, 2, 1)
    name = make_twin(iotdb, 2, journaled=False)
    assert twins.drop_if_empty(iotdb.database, name) is False
    assert names(iotdb) == [name]
    partition_name = partition_of(iotdb, arrival(iotdb, 2)).name
    with pytest.raises(DatabaseRefused, match="different definitions"):
        twins.exchange(iotdb.database, partition_name, name)
    result = run(make_job(iotdb, archive, staging))
    assert result.counts["rows_given_back"] == 20, "it was closed, and so is not proven"
    assert archived_rows(archive) == rows
    assert_settled(iotdb)
    with pytest.raises(DatabaseRefused):
        twins.exchange(iotdb.database, partition_name, name)


@ON_ONE
def test_a_table_that_somebody_called_similarly_is_left_alone(iotdb, archive, staging):
    rows = fill(iotdb, 1)
    iotdb.execute("CREATE TABLE sm_twin_backup AS SELECT * FROM Facts")
    run(make_job(iotdb, archive, staging))
    assert archived_rows(archive) == rows
    assert iotdb.execute("SELECT COUNT(*) FROM sm_twin_backup") == [(20,)]


@ON_ONE
def test_without_purge_what_was_detached_goes_back_into_facts(iotdb, archive, staging):
    rows = fill(iotdb, 2, 1)
    make_twin(iotdb, 2, journaled=True)
    result = run(make_job(iotdb, archive, staging, purge=False))
    assert iotdb.rows() == rows == archived_rows(archive)
    assert result.counts["rows_given_back"] == 20
    assert_settled(iotdb)


@ON_ONE
def test_a_proven_twin_is_dropped_also_without_purge(iotdb, archive, staging):
    rows = fill(iotdb, 2, 1)
    run(make_job(iotdb, archive, staging, purge=False))
    make_twin(iotdb, 2, journaled=True, state="proven")
    iotdb.execute(f"UPDATE sm_archive_part SET purged_at = NOW() WHERE start_at < '{days_ago(1, 0)}'")
    run(make_job(iotdb, archive, staging, purge=False))
    assert_settled(iotdb)
    assert archived_rows(archive) == rows
    assert iotdb.rows().total() == 20


@ON_ONE
def test_rows_that_facts_lacks_are_not_taken_for_deleted_while_a_twin_may_hold_them(iotdb, archive, staging):
    """A deposed run detaches them while another one is at work."""
    rows = fill(iotdb, 2, 1)
    run(make_job(iotdb, archive, staging, purge=False))
    job = make_job(iotdb, archive, staging, purge=False)
    plan, made = job._plan, []

    def detached_meanwhile(claim, _due):
        made.append(make_twin(iotdb, 2, journaled=False))
        return plan(claim, job._count_due())

    object.__setattr__(job, "_plan", detached_meanwhile)
    result = run(job)
    assert any(made[0] in problem for problem in result.problems)
    run(make_job(iotdb, archive, staging))
    assert archived_rows(archive) == rows
    assert iotdb.rows() == Counter()
    assert_settled(iotdb)


@ON_ONE
def test_a_damaged_object_gives_the_partition_back_and_holds_its_day(iotdb, archive, staging):
    rows = fill(iotdb, 2, 1)
    run(make_job(iotdb, archive, staging, purge=False))
    key = min(stat.key for stat in archive.list(FOLDER) if stat.key.endswith(".parquet"))
    (archive._root / key).write_bytes(b"rubbish")
    result = run(make_job(iotdb, archive, staging))
    assert len(result.problems) == 1
    assert iotdb.rows() == Counter({row: n for row, n in rows.items() if row[-1] < days_ago(1, 0)})
    assert_settled(iotdb)


@ON_ONE
def test_rows_that_are_restored_into_facts_can_be_exported_again(iotdb, archive, staging):
    rows = fill(iotdb, 2, 1)
    run(make_job(iotdb, archive, staging))
    assert restore(iotdb, archive, "Facts").problems == ()
    assert iotdb.rows() == rows
    result = run(make_job(iotdb, archive, staging))
    assert result.problems == ()
    assert result.counts["rows_purged"] == 40, "one by one: the first partition took them"
    assert archived_rows(archive) == rows
    assert iotdb.rows() == Counter()


@ON_ONE
def test_a_database_that_adopts_an_archive_begins_with_what_was_detached(iotdb, archive, staging):
    rows = fill(iotdb, 2, 1)
    run(make_job(iotdb, archive, staging, purge=False))
    make_twin(iotdb, 2, journaled=True)
    iotdb.execute("DELETE FROM sm_archive", "DELETE FROM sm_archive_object", "DELETE FROM sm_archive_part")
    job = make_job(iotdb, archive, staging)

    class Adopting:
        name, lease_name, database = job.name, job.lease_name, job.database

        def run(self, context: JobContext):
            return JobResult({"objects": adopt_objects(job.tools(context)).objects})

    assert run(Adopting()).counts == {"objects": 2}
    assert iotdb.rows() == rows
    assert run(job).problems == ()
    assert archived_rows(archive) == rows
    assert iotdb.rows() == Counter()


@pytest.mark.parametrize("iotdb", ["datetime"], indirect=True)
def test_a_day_whose_hour_autumn_repeats_leaves_whole(iotdb, archive, staging):
    zone = "America/Los_Angeles"
    facts = Facts.open(iotdb.database, zone)
    walls = [datetime(2025, 11, 2, hour, minute) for hour in range(24) for minute in (0, 59)]
    around = [wall + timedelta(days=shift) for wall in walls for shift in (-1, 0, 1)]
    iotdb.insert([reading(wall, data=n % 3) for n, wall in enumerate(around)] * 2)
    rows = iotdb.rows()
    bounds = [datetime(2025, 11, day) for day in (1, 2, 3, 4)]
    parts = [f"PARTITION p{n} VALUES LESS THAN ('{bound}')" for n, bound in enumerate(bounds)]
    parts.append("PARTITION f VALUES LESS THAN (MAXVALUE)")
    iotdb.execute(f"ALTER TABLE Facts PARTITION BY RANGE COLUMNS (creationDate) ({', '.join(parts)})")
    job = replace(make_job(iotdb, archive, staging, zone=ZoneInfo(zone)), facts=facts)
    assert [each.rows for each in job.plan().partitions] == [96, 96, 96]
    result = run(job)
    assert result.problems == ()
    assert result.counts["partitions_purged"] == 3
    assert archived_rows(archive) == rows
    assert iotdb.rows() == Counter()


@pytest.mark.parametrize("iotdb", ["sqlite"], indirect=True)
def test_the_embedded_database_has_no_partitions(iotdb, archive, staging):
    iotdb.insert(some(iotdb, 1))
    job = make_job(iotdb, archive, staging)
    assert job.plan().purge is Purge.YES
    assert job.plan().partitions == ()
    assert run(job).counts["rows_purged"] == 20
