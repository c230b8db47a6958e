"""The view `facts` holds every reading once, wherever it is and whatever happens to it meanwhile."""

import threading
from collections import Counter
from datetime import UTC, timedelta
from itertools import islice
from pathlib import Path

import pytest

from servicemanager.errors import ArchiveDamaged, ObjectMissing, QueryRefused, ServiceManagerError, Stopped
from servicemanager.iotdb import twins
from servicemanager.iotdb.window import Window
from servicemanager.lake import facts
from support.exports import archived_rows, days_ago, make_job, run
from support.iotdb import reading
from support.lake import Opened, ask, everything
from support.partitions import partition, partition_of
from support.races import race

FORMS = ["sqlite", "timestamp", "timestamp-unindexed", "datetime", "datetime-unindexed"]
two_forms = pytest.mark.parametrize("iotdb", ["sqlite", "timestamp"], indirect=True)
in_a_folder = pytest.mark.parametrize("store", ["folder"], indirect=True)


@pytest.fixture
def source(iotdb, store, tmp_path) -> Opened:
    return Opened(iotdb, store, tmp_path)


def some_rows(*days: int, each: int = 9) -> list:
    """Duplicates, NULL-like values and names that a collation takes for one."""
    names = ["AA:01", "aa:01", "aa:01 ", "é;'\n"]
    return [
        reading(days_ago(day) + timedelta(minutes=n), data=n % 4 - 1, device=names[n % 4], sensor=n % 2)
        for day in days
        for n in range(each)
    ] * 2


@pytest.mark.parametrize(
    ("iotdb", "store"), [*((form, "folder") for form in FORMS), ("timestamp", "s3")], indirect=True
)
def test_a_reading_is_there_once_whether_archived_purged_late_or_live(iotdb, store, staging, source):
    rows = some_rows(5, 4, 3, 2, 1, 0)
    iotdb.insert(rows)
    run(make_job(iotdb, store, staging, slice_rows=5, max_rows=60))  # the others stay
    late = some_rows(5, each=3)
    iotdb.insert(late)  # arrived in slices that are purged
    with facts(source) as lake:
        assert everything(lake) == Counter(rows + late)
        run(make_job(iotdb, store, staging, slice_rows=5, no_purge=True))
        assert everything(lake) == Counter(rows + late)
        later = some_rows(5, 2, each=2)
        iotdb.insert(later)  # arrived in slices that the archive holds and Facts still holds
        assert everything(lake) == Counter(rows + late + later)
        run(make_job(iotdb, store, staging, slice_rows=5))
        assert everything(lake) == Counter(rows + late + later)
        assert iotdb.rows() == Counter(some_rows(0))


@in_a_folder
@two_forms
def test_what_somebody_else_deleted_from_facts_is_served_by_the_archive(iotdb, store, staging, source):
    rows = some_rows(2, 1)
    iotdb.insert(rows)
    run(make_job(iotdb, store, staging, slice_rows=5, no_purge=True))
    iotdb.execute("DELETE FROM Facts WHERE sensor = 1")
    new = [reading(days_ago(2), data=77)]
    iotdb.insert(new)
    with facts(source) as lake:
        assert everything(lake) == Counter(rows + new)


@in_a_folder
@two_forms
def test_as_many_other_rows_in_a_slice_are_noticed(iotdb, store, staging, source):
    rows = some_rows(1)
    iotdb.insert(rows)
    run(make_job(iotdb, store, staging, no_purge=True))
    iotdb.execute("UPDATE Facts SET data = 1000 WHERE data = 2")
    changed = [(*row[:11], 1000, row[12]) for row in rows if row[11] == 2]
    with facts(source) as lake:
        assert everything(lake) == Counter(rows + changed)


@in_a_folder
@two_forms
def test_a_purge_between_the_look_at_the_journal_and_the_reading_loses_and_doubles_nothing(
    iotdb, store, staging, source
):
    rows = some_rows(3, 2, 1, 0)
    iotdb.insert(rows)
    exports = iter(
        [lambda: run(make_job(iotdb, store, staging, no_purge=True)), lambda: run(make_job(iotdb, store, staging))]
    )
    source.meanwhile = lambda: [export() for export in islice(exports, 1)]
    with facts(source) as lake:
        assert everything(lake) == Counter(rows)
        assert archived_rows(store) == Counter(some_rows(3, 2, 1))
        assert everything(lake) == Counter(rows)
        assert iotdb.rows() == Counter(some_rows(0))


@in_a_folder
@two_forms
def test_while_an_export_runs_each_answer_counts_every_reading(iotdb, store, staging, source):
    rows = some_rows(*range(6), each=60)
    iotdb.insert(rows)
    over, counted = threading.Event(), []

    def export() -> None:
        try:
            run(make_job(iotdb, store, staging, slice_rows=7))
        finally:
            over.set()

    def count() -> None:
        with facts(source) as lake:
            while not over.is_set():
                counted.append(ask(lake, "SELECT count(*), sum(data) FROM facts"))
            counted.append(ask(lake, "SELECT count(*), sum(data) FROM facts"))

    assert race(lambda number: (export, count)[number](), 2) == [None, None]
    assert len(counted) > 1
    assert set(map(tuple, counted)) == {((len(rows), sum(row[11] for row in rows)),)}


@in_a_folder
@pytest.mark.parametrize("iotdb", ["timestamp", "datetime"], indirect=True)
def test_a_clock_gone_wrong_hides_no_reading(iotdb, store, staging, source):
    rows = some_rows(1) + [reading(days_ago(day)) for day in (-3, -400, 2_000)]
    iotdb.insert(rows)
    run(make_job(iotdb, store, staging, no_purge=True))
    with facts(source) as lake:
        assert everything(lake) == Counter(rows)
        ahead = ask(
            lake, "SELECT creation_date - current_date FROM facts WHERE creation_date > current_date ORDER BY 1"
        )
        assert ahead == [(3,), (400,)]


@in_a_folder
@pytest.mark.parametrize("iotdb", ["timestamp"], indirect=True)
def test_rows_that_left_with_their_partition_and_are_not_proven_are_there(iotdb, store, staging, source):
    rows = some_rows(2, 1, 0)
    iotdb.insert(rows)
    partition(iotdb)
    run(make_job(iotdb, store, staging, no_purge=True))
    late = [reading(days_ago(2), data=77)]
    iotdb.insert(late)
    detached = partition_of(iotdb, days_ago(2))
    name = twins.twin_name(Window(days_ago(2, 0).replace(tzinfo=UTC), days_ago(1, 0).replace(tzinfo=UTC)), 1)
    twins.create(iotdb.database, name)
    twins.exchange(iotdb.database, detached.name, name)
    assert iotdb.rows() == Counter(some_rows(1, 0))
    with facts(source) as lake:
        assert everything(lake) == Counter(rows + late)


class Watched:
    """A store that remembers which objects were read."""

    def __init__(self, store) -> None:
        self._store = store
        self.keys: list[str] = []

    def __getattr__(self, name: str):
        return getattr(self._store, name)

    def read(self, key: str) -> bytes:
        self.keys.append(key)
        return self._store.read(key)


@in_a_folder
@two_forms
@pytest.mark.parametrize(
    "condition",
    [
        "creation_date = current_date - 2",
        "creation_date BETWEEN current_date - 2 AND current_date - 2",
        "creation_date IN (current_date - 2, DATE '1999-01-01')",
        "creationDate >= (current_date - 2)::TIMESTAMPTZ AND creationDate < (current_date - 1)::TIMESTAMPTZ",
    ],
)
def test_of_other_days_nothing_is_read(iotdb, store, staging, tmp_path, source, condition):
    iotdb.insert(some_rows(5, 4, 3, 2, 1, 0))
    run(make_job(iotdb, store, staging))
    source.archive = Watched(store)
    with facts(source) as lake:
        assert ask(lake, f"SELECT count(*) FROM facts WHERE {condition}") == [(18,)]
        assert [key.split("/")[1] for key in source.archive.keys] == [f"creation_date={days_ago(2):%Y-%m-%d}"]
        assert not list(tmp_path.rglob("live-*"))


@in_a_folder
@two_forms
def test_a_query_may_use_the_view_many_times(iotdb, store, staging, source):
    rows = some_rows(2, 1, 0)
    iotdb.insert(rows)
    run(make_job(iotdb, store, staging))
    with facts(source) as lake:
        assert ask(
            lake,
            "SELECT (SELECT count(*) FROM facts), (SELECT count(*) FROM facts WHERE creation_date = current_date), "
            "(SELECT count(*) FROM facts a JOIN facts b USING (creation_date, hour, minute, device, sensor, data))",
        ) == [(54, 18, 108)]


@in_a_folder
@two_forms
def test_without_a_bucket_the_journal_still_knows_where_its_objects_are(iotdb, store, staging, tmp_path):
    rows = some_rows(1, 0)
    iotdb.insert(rows)
    with facts(Opened(iotdb, None, tmp_path)) as lake:
        assert everything(lake) == Counter(rows)
        run(make_job(iotdb, store, staging))
        assert everything(lake) == Counter(rows)


@in_a_folder
@pytest.mark.parametrize("iotdb", ["sqlite"], indirect=True)
def test_a_damaged_or_missing_object_is_named(iotdb, store, staging, source):
    iotdb.insert(some_rows(2, 1))
    run(make_job(iotdb, store, staging))
    good, bad = sorted(stat.key for stat in store.list("facts/creation_date"))
    path = Path(store.url_of(bad).removeprefix("file://"))
    whole = path.read_bytes()
    with facts(source) as lake:
        path.write_bytes(whole[:-9])
        with pytest.raises(ArchiveDamaged, match=path.name):
            ask(lake, "SELECT sum(data) FROM facts")
        flipped = bytearray(whole)
        flipped[4 + len(whole) // 3] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(ArchiveDamaged, match="servicemanager verify"):
            everything(lake)
        path.unlink()
        with pytest.raises(ObjectMissing, match=path.name):
            ask(lake, "SELECT sum(data) FROM facts")
        # The other day can still be asked for.
        assert ask(lake, "SELECT count(*) FROM facts WHERE creation_date = current_date - 2") == [(18,)]
        assert good


HOSTILE = [
    "COPY (SELECT * FROM facts) TO '{folder}/stolen.csv'",
    "COPY facts FROM '{secret}'",
    "EXPORT DATABASE '{folder}/stolen'",
    "ATTACH '{folder}/other.db'",
    "ATTACH 'host=127.0.0.1' AS other (TYPE mysql)",
    "INSTALL httpfs",
    "LOAD mysql",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "CALL enable_logging()",
    "CREATE TABLE mine AS SELECT * FROM facts",
    "CREATE SECRET (TYPE s3)",
    "INSERT INTO facts SELECT * FROM facts",
    "UPDATE facts SET data = 0",
    "DELETE FROM facts",
    "DROP VIEW facts",
    "EXPLAIN ANALYZE COPY facts TO '{folder}/stolen.csv'",
    "SELECT 1; COPY facts TO '{folder}/stolen.csv'",
    "",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM read_parquet('{archive}/*/*.parquet')",
    "SELECT * FROM parquet_metadata('{archive}/*/*.parquet')",
    "SELECT * FROM read_duckdb('{folder}/other.db')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_csv('http://127.0.0.1:1/secret')",
    "SELECT * FROM read_parquet('s3://bucket/secret.parquet')",
    "SELECT * FROM query('COPY facts TO ''{folder}/stolen.csv''')",
    "SELECT * FROM enable_logging(storage = 'file', storage_path = '{folder}/stolen')",
    "SELECT * FROM enable_profiling(save_location = '{folder}/stolen')",
    "SELECT getenv('HOME')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM source",
]


@in_a_folder
@pytest.mark.parametrize("iotdb", ["sqlite"], indirect=True)
def test_sql_that_does_more_than_reading_the_view_is_refused(iotdb, store, staging, tmp_path, source):
    iotdb.insert(some_rows(1, 0))
    run(make_job(iotdb, store, staging))
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\nsecret,2\n")
    places = {"folder": tmp_path, "secret": secret, "archive": tmp_path / "archive" / "facts"}
    before = {path for path in tmp_path.rglob("*") if "servicemanager-query-" not in str(path)}
    with facts(source) as lake:
        for sql in HOSTILE:
            with pytest.raises(QueryRefused) as refused:
                lake.query(sql.format(**places))
            assert "secret,2" not in str(refused.value)
        assert ask(lake, "SELECT count(*) FROM facts") == [(36,)]
    assert {path for path in tmp_path.rglob("*") if path.name != "iotdb.sqlite-shm"} <= before


@in_a_folder
@pytest.mark.parametrize("iotdb", ["sqlite"], indirect=True)
def test_a_query_too_big_for_memory_spills_and_too_little_memory_is_said(source, tmp_path):
    sorted_whole = "SELECT i, hash(i) AS h FROM range(3_000_000) AS t(i) ORDER BY h"
    with facts(source, memory="64MiB") as lake:
        answer = lake.query(sorted_whole)
        found = previous = 0
        for batch in answer.batches():
            found += batch.num_rows
            assert previous <= batch.column(1)[0].as_py()
            previous = batch.column(1)[-1].as_py()
        assert found == 3_000_000
    with facts(source, memory="2MiB") as lake, pytest.raises(ServiceManagerError, match="--memory"):
        lake.query(sorted_whole)
    assert not list(tmp_path.glob("servicemanager-query-*"))


@in_a_folder
@two_forms
def test_an_interrupted_query_ends_soon(iotdb, source):
    iotdb.insert(some_rows(0))
    stop = threading.Event()
    with facts(source, stop=stop) as lake:
        timer = threading.Timer(0.3, stop.set)
        timer.start()
        with pytest.raises(Stopped):
            lake.query("SELECT count(*) FROM facts, range(1_000_000_000) a, range(1_000) b WHERE a.range % 7 = b.range")
        timer.join()
