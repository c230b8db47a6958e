"""Partitions as somebody else made them, and what becomes of emptied ones."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from servicemanager.archive.folder import FolderStore
from servicemanager.export.detach import Detaching
from servicemanager.export.job import ExportJob
from servicemanager.export.work import Tally, execute
from servicemanager.iotdb import twins
from servicemanager.iotdb.partition_ahead import keep_ahead
from servicemanager.iotdb.partitions import count_in, read_layout, span_of
from servicemanager.jobs.job import JobContext, JobResult
from support.exports import archived_rows, days_ago, make_job, run
from support.iotdb import ZONE, Iotdb, reading
from support.partitions import partition, partition_of

ON_ONE = pytest.mark.parametrize("iotdb", ["timestamp"], indirect=True)


@pytest.fixture
def archive(tmp_path) -> FolderStore:
    return FolderStore(tmp_path / "archive")


def arrival(iotdb: Iotdb, day: int, hour: float = 12) -> datetime:
    """As the column holds that time of the local day."""
    return iotdb.facts().time.to_stored((days_ago(day, 0) + timedelta(hours=hour)).replace(tzinfo=UTC))


def insert(iotdb: Iotdb, *days: int) -> Counter:
    iotdb.insert([reading(arrival(iotdb, day, n / 2), data=n) for day in days for n in range(10)] * 2)
    return iotdb.rows()


def cut_at(iotdb: Iotdb, **days: int) -> None:
    """Partitions by name, each with the number of days ago at whose midnight it ends; the last one has no end."""
    bounds = [f"{days_ago(day, 0).replace(tzinfo=UTC).timestamp():.0f}" for day in list(days.values())[:-1]]
    parts = [f"PARTITION `{n}` VALUES LESS THAN ({b})" for n, b in zip(days, [*bounds, "MAXVALUE"], strict=True)]
    clause = f"PARTITION BY RANGE (UNIX_TIMESTAMP(creationDate)) ({', '.join(parts)})"
    iotdb.execute(f"ALTER TABLE Facts {clause}".replace("%", "%%"))


@ON_ONE
def test_partitions_of_any_name_leave_and_are_added(iotdb, archive, staging):
    rows = insert(iotdb, 2, 1, 0)
    iotdb.execute("ALTER TABLE Facts COMMENT '50%% of what it''s\n PARTITION BY `x'")
    cut_at(iotdb, **{"a'b": 2, "c``d": 1, "e%f": 0, "Größe -x": -1, "für immer%": -1})
    result = run(make_job(iotdb, archive, staging))
    assert result.problems == ()
    assert (result.counts["partitions_purged"], result.counts["partitions_dropped"]) == (2, 2)
    assert iotdb.rows() + archived_rows(archive) == rows
    facts = iotdb.facts()
    added, hindered = keep_ahead(iotdb.database, facts, facts.calendar(ZoneInfo(ZONE)))
    assert (added > 0, hindered) == (True, "")


@ON_ONE
def test_a_partition_of_several_days_leaves_when_all_of_them_are_due(iotdb, archive, staging):
    rows = insert(iotdb, 4, 3, 2, 1)
    cut_at(iotdb, older=4, three=1, two=-1, rest=-1)
    assert "partitions_purged" not in run(make_job(iotdb, archive, staging, days=3)).counts
    result = run(make_job(iotdb, archive, staging))
    assert result.problems == ()
    assert result.counts["partitions_purged"] == 1
    assert iotdb.rows() + archived_rows(archive) == rows
    assert iotdb.rows() == Counter(), "yesterday's, of which a partition that is not due has today's too, one by one"


@ON_ONE
def test_triggers_that_come_after_the_plan_are_not_passed_by(iotdb, archive, staging):
    """Those of pt-online-schema-change, in whose copy of the table the rows would stay."""
    rows = insert(iotdb, 2, 1)
    partition(iotdb)
    copying = ["CREATE TABLE gone (data INT)"]
    copying.append("CREATE TRIGGER copied AFTER DELETE ON Facts FOR EACH ROW INSERT INTO gone VALUES (OLD.data)")
    with statements(iotdb, lambda said: "CREATE TABLE sm_twin" in said and iotdb.execute(*copying)):
        result = run(make_job(iotdb, archive, staging))
    assert "partitions_purged" not in result.counts
    assert any("triggers" in notice for notice in result.notices)
    assert archived_rows(archive) == rows
    assert iotdb.execute("SELECT COUNT(*) FROM gone") == [(40,)]
    assert iotdb.execute("SELECT * FROM sm_detached") == []


class Short:
    """An export whose hours end in a minute; what `detaching` says is how fast it takes its server to be."""

    def __init__(self, job: ExportJob, **detaching: float) -> None:
        self.detaching = detaching
        self.job, self.name, self.lease_name, self.database = job, job.name, job.lease_name, job.database

    def run(self, context: JobContext) -> JobResult:
        tools, tally = self.job.tools(context), Tally(context.counts, [], [])
        tools.throttle.closes_at = tools.throttle.clock() + 60
        execute(tools, self.job.plan(), tally, Detaching(tools, tally, **self.detaching))
        return JobResult(dict(tally.counts), tuple(tally.problems), tuple(tally.notices))


@ON_ONE
def test_a_partition_that_would_not_be_done_by_the_end_of_the_hours_is_not_begun(iotdb, archive, staging):
    iotdb.insert([reading(arrival(iotdb, 1))] * 100)
    rows = insert(iotdb, 2)
    partition(iotdb)
    result = run(Short(make_job(iotdb, archive, staging), rows_per_second=1))
    assert (result.counts["partitions_purged"], result.counts["rows_left"]) == (1, 100)
    assert "with 100 rows would take about 100 seconds" in result.notices[-1]
    assert archived_rows(archive) == rows
    assert iotdb.rows().total() == 100
    assert run(make_job(iotdb, archive, staging)).counts["partitions_purged"] == 1


@ON_ONE
def test_a_small_partition_does_not_make_a_larger_one_look_slow(iotdb, archive, staging):
    insert(iotdb, 2)
    iotdb.insert([reading(arrival(iotdb, 1))] * 1300)
    partition(iotdb)
    result = run(Short(make_job(iotdb, archive, staging)))
    assert (result.counts["partitions_purged"], iotdb.rows()) == (2, Counter())


@ON_ONE
def test_rows_that_are_given_back_keep_what_stands_in_further_columns(iotdb, archive, staging):
    insert(iotdb, 2, 1)
    partition(iotdb)
    iotdb.execute(
        "ALTER TABLE Facts ADD COLUMN `a note%%` VARCHAR(9) NOT NULL DEFAULT '-'",
        "ALTER TABLE Facts ADD COLUMN twice INT AS (data * 2) PERSISTENT",
        "UPDATE Facts SET `a note%%` = 'precious'",
    )
    found = partition_of(iotdb, arrival(iotdb, 2))
    name = twins.twin_name(span_of(iotdb.facts(), found), 99)
    twins.create(iotdb.database, name)
    twins.exchange(iotdb.database, found.name, name)
    assert run(make_job(iotdb, archive, staging)).counts["rows_given_back"] == 20
    found = iotdb.execute("SELECT `a note%%`, SUM(twice = 2 * data) FROM Facts GROUP BY `a note%%`")
    assert found == [("precious", 40)]


@pytest.mark.parametrize("iotdb", ["timestamp", "datetime"], indirect=True)
def test_a_row_that_gets_into_an_emptied_partition_before_it_goes_stays(iotdb, archive, staging):
    rows = insert(iotdb, 3, 2, 1)
    partition(iotdb)
    late = [reading(arrival(iotdb, 2), data=9)] * 2
    with statements(iotdb, lambda said: "REORGANIZE" in said and iotdb.insert(late)) as seen:
        assert run(make_job(iotdb, archive, staging)).counts["partitions_dropped"] == 3
    assert iotdb.rows() == Counter(late)
    first = read_layout(iotdb.database).partitions[0]
    assert first.end == partition_of(iotdb, arrival(iotdb, 0)).begin
    assert count_in(iotdb.database, first) == 2
    run(make_job(iotdb, archive, staging))
    assert iotdb.rows() + archived_rows(archive) == rows + Counter(late)
    locks = [said for said in seen if said.startswith("LOCK TABLES") and "sm_migration" not in said]
    assert locks == [], "a change under a lock makes a Galera cluster stand still"


@contextmanager
def statements(iotdb: Iotdb, before: Callable[[str], object]) -> Iterator[list[str]]:
    """Those that are said to the server, each after `before` was called."""
    seen: list[str] = []

    def note(_conn, _cursor, statement, *_rest) -> None:
        before(statement)
        seen.append(statement)

    sa.event.listen(iotdb.database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(iotdb.database.engine, "before_cursor_execute", note)
