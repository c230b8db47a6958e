"""Nothing is lost and nothing is doubled: for any table, and any order of arrivals and exports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from unittest.mock import patch
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.parquet import FOLDER, parse_key
from servicemanager.export import planning
from servicemanager.export.plan import Bounds
from servicemanager.jobs.job import JobResult
from support.exports import archived_rows, archived_tables, make_job, restore, rows_of_table, run
from support.forms import Form, database_of, empty, scratch
from support.iotdb import ZONE, Iotdb, reading
from support.rows import COLUMNS, contents, moment
from support.statistics import DDL, moments, moments_of_rows, publish, published

FORMS = [
    Form("sqlite"),
    Form("timestamp"),
    Form("timestamp, unindexed", indexed=False),
    Form("datetime", "DATETIME"),
]
#: Local days before which everything is due: today, and the days after a midnight that was skipped and
#: an hour that was repeated. Drawn once, so that no test sees today end.
TODAYS = [datetime.now(ZoneInfo(ZONE)).date(), date(2018, 11, 5), date(2018, 2, 18)]
#: Where local days begin no later than in ZONE, so that no window of theirs ends after its midnight.
ZONES = [ZONE, "UTC", "Asia/Kathmandu", "Pacific/Kiritimati"]

lenient = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
seconds = st.sampled_from([0, 1, 2, 59, 60, 899, 900, 10_800, 43_200, 86_399]) | st.integers(0, 86_399)


def arrival(form: Form, day: date, second: int = 0) -> datetime:
    """As stored: so many seconds after local midnight of `day`; a wall time may be one that its clock never showed."""
    if "DATETIME" in form.kind:
        return datetime.combine(day, time()) + timedelta(seconds=second)
    instant = datetime.combine(day, time(), ZoneInfo(ZONE)).astimezone(UTC) + timedelta(seconds=second)
    return instant.replace(tzinfo=None)


def rows_of(form: Form, today: date, oldest: int, max_size: int = 25) -> st.SearchStrategy[list]:
    """Rows that arrived today or up to `oldest` days ago, of a small pool, so that many are alike."""
    content = st.lists(contents(nullable=True), min_size=1, max_size=5)
    days = st.integers(0, oldest).map(lambda ago: today - timedelta(days=ago))
    when = st.builds(partial(arrival, form), days, seconds)
    return content.flatmap(
        lambda pool: st.lists(
            st.builds(lambda row, stored: (*row, stored), st.sampled_from(pool), when), max_size=max_size
        )
    )


@dataclass(frozen=True)
class Export:
    """One run, with windows and slices so small that there are many."""

    purge: bool = True
    zone: str = ZONE
    #: How many days before today are left where they are.
    kept: int = 0
    max_rows: int | None = None
    window_rows: int = 4
    slice_rows: int = 2

    def run(self, iotdb: Iotdb, folder: Path, today: date) -> JobResult:
        wishes = {"purge": self.purge, "zone": ZoneInfo(self.zone), "max_rows": self.max_rows}
        before = today - timedelta(days=self.kept)
        job = make_job(iotdb, store_in(folder), staging_in(folder), slice_rows=self.slice_rows, before=before, **wishes)
        with patch.object(planning, "Bounds", partial(Bounds, window_rows=self.window_rows)):
            return run(job)


exports = st.builds(
    Export,
    purge=st.booleans(),
    zone=st.sampled_from(ZONES),
    kept=st.integers(0, 3),
    max_rows=st.none() | st.integers(1, 30),
    window_rows=st.integers(1, 20),
    slice_rows=st.integers(1, 6),
)


def store_in(folder: Path) -> FolderStore:
    return FolderStore(folder / "archive")


def staging_in(folder: Path) -> Path:
    (folder / "staging").mkdir(exist_ok=True)
    return folder / "staging"


def archived_by_duckdb(folder: Path) -> Counter:
    """The multiset that DuckDB reads; the times as they stand in the database."""
    files = f"'{folder}/archive/{FOLDER}*/*.parquet'"
    if not list((folder / "archive" / FOLDER).glob("*/*.parquet")):
        return Counter()
    with duckdb.connect() as connection:
        names = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM read_parquet({files})").fetchall()}
        stored = "creationDate_local" if "creationDate_local" in names else "creationDate"
        query = f"SELECT {','.join(COLUMNS)}, epoch_us({stored}) FROM read_parquet({files}, hive_partitioning = true)"
        return Counter((*row[:12], moment(row[12])) for row in connection.execute(query).fetchall())


@pytest.fixture(scope="module", params=FORMS, ids=lambda form: form.name)
def form(request) -> Form:
    return request.param


@pytest.fixture(scope="module")
def iotdb(form, request):
    server = None if form.embedded else request.getfixturevalue("mysql_server")
    with database_of(form, server) as made:
        if server:
            made.execute(DDL)
        yield made


@lenient(max_examples=12)
@given(st.sampled_from(TODAYS), st.integers(1, 20), st.integers(1, 6), st.data())
def test_what_is_due_is_archived_as_it_was_and_the_rest_stays(form, iotdb, today, window_rows, slice_rows, data):
    rows = Counter(data.draw(rows_of(form, today, 3)))
    due = Counter({row: count for row, count in rows.items() if row[12] < arrival(form, today)})
    empty(iotdb)
    iotdb.insert(rows.elements())
    with scratch() as folder:
        result = Export(window_rows=window_rows, slice_rows=slice_rows).run(iotdb, folder, today)
        assert result.problems == ()
        assert archived_rows(store_in(folder)) == due
        assert archived_by_duckdb(folder) == due
    assert iotdb.rows() == rows - due
    assert result.counts.get("rows_archived", 0) == result.counts.get("rows_purged", 0) == due.total()


@lenient(max_examples=6)
@given(st.sampled_from(TODAYS), st.integers(1, 20), st.integers(1, 6), st.data())
def test_what_was_archived_comes_back_as_it_was_and_goes_again_undoubled(
    form, iotdb, today, window_rows, slice_rows, data
):
    rows = Counter(data.draw(rows_of(form, today, 3)))
    due = Counter({row: count for row, count in rows.items() if row[12] < arrival(form, today)})
    empty(iotdb)
    iotdb.execute("DROP TABLE IF EXISTS Facts_restored")
    iotdb.insert(rows.elements())
    export = Export(window_rows=window_rows, slice_rows=slice_rows)
    with scratch() as folder:
        export.run(iotdb, folder, today)
        store = store_in(folder)
        objects = {stat.key for stat in store.list("")}
        assert restore(iotdb, store, chunk_rows=3).counts["rows_restored"] == due.total()
        assert rows_of_table(iotdb, "Facts_restored") == due
        assert iotdb.rows() == rows - due
        assert restore(iotdb, store, "Facts").counts["rows_restored"] == due.total()
        assert iotdb.rows() == rows
        assert export.run(iotdb, folder, today).problems == ()
        assert {stat.key for stat in store.list("")} == objects
        assert archived_rows(store) == due
    assert iotdb.rows() == rows - due


def histories(form: Form, today: date) -> st.SearchStrategy[list]:
    """Rows that arrive, the numbers of rows that arrive once more, and exports of every kind."""
    late = rows_of(form, today, 5, max_size=12).filter(bool)
    repeated = st.lists(st.integers(0, 60), min_size=1, max_size=6)
    return st.lists(st.one_of(late, repeated, exports, exports), min_size=2, max_size=8)


def arriving(step: list, ever: list[tuple]) -> list[tuple]:
    """The rows of a step; a number stands for a row that was there before."""
    known = [ever[number] for number in step if isinstance(number, int) and number < len(ever)]
    return known + [row for row in step if not isinstance(row, int)]


@lenient(max_examples=8)
@given(st.sampled_from(TODAYS), st.data())
def test_no_order_of_arrivals_and_exports_loses_or_doubles_a_row(form, iotdb, today, data):
    empty(iotdb)
    ever: list[tuple] = []
    with scratch() as folder:
        for step in [data.draw(rows_of(form, today, 5)), *data.draw(histories(form, today))]:
            if isinstance(step, Export):
                assert step.run(iotdb, folder, today).problems == ()
            else:
                rows = arriving(step, ever)
                iotdb.insert(rows)
                ever += rows
            check_nothing_lost_or_doubled(Counter(ever), iotdb.rows(), archived_rows(store_in(folder)))
        assert Export().run(iotdb, folder, today).problems == ()
        live = iotdb.rows()
        assert archived_rows(store_in(folder)) + live == Counter(ever)
        assert all(row[12] >= arrival(form, today) for row in live)
        assert Export().run(iotdb, folder, today).counts == {}


def with_statistics(form: Form, today: date) -> st.SearchStrategy[list]:
    """The same, and statistics; True asks for a rebuild."""
    return st.tuples(histories(form, today), st.lists(st.booleans(), min_size=2, max_size=4)).flatmap(
        lambda parts: st.permutations([*parts[0], *parts[1]])
    )


@lenient(max_examples=5)
@given(st.sampled_from(TODAYS), st.data())
def test_no_order_of_arrivals_exports_and_statistics_counts_a_reading_twice_or_not_at_all(form, iotdb, today, data):
    empty(iotdb)
    ever: list[tuple] = []
    with scratch() as folder:
        for step in [data.draw(rows_of(form, today, 5)), *data.draw(with_statistics(form, today)), False]:
            if isinstance(step, Export):
                assert step.run(iotdb, folder, today).problems == ()
            elif isinstance(step, list):
                rows = arriving(step, ever)
                iotdb.insert(rows)
                ever += rows
            else:
                counted = [row for row in ever if None not in (row[9], row[10], row[11])]
                assert publish(iotdb, store_in(folder), rebuild=step, force=True).problems == ()
                assert moments(iotdb) == moments_of_rows(counted)
        table = published(iotdb)
        publish(iotdb, store_in(folder), rebuild=True)
        assert published(iotdb) == table


def check_nothing_lost_or_doubled(ever: Counter, live: Counter, archived: Counter) -> None:
    """While some rows are archived and not purged yet."""
    assert ever <= archived + live
    assert archived <= ever
    assert live <= ever


@pytest.mark.parametrize("form", [FORMS[0], FORMS[-1]], indirect=True, ids=lambda form: form.name)
@pytest.mark.parametrize(
    "stored", ["0000-06-01 00:00:00", "0001-01-01 00:00:00", "0999-06-01 10:00:00", "9999-12-31 23:59:59"]
)
def test_a_date_at_the_ends_of_time_is_archived_or_reported_and_stops_nothing(form, iotdb, stored):
    empty(iotdb)
    usual = reading(arrival(form, TODAYS[0] - timedelta(days=1)))
    iotdb.insert([usual])
    iotdb.execute(f"INSERT INTO Facts VALUES ('odd',1,1,1,1,1,1,1,'g','d',1,1,'{stored}')")
    with scratch() as folder:
        problems = Export().run(iotdb, folder, TODAYS[0]).problems
        archived = archived_rows(store_in(folder))
        assert all(parse_key(key) for key, _ in archived_tables(store_in(folder)))
    assert archived[usual] == 1
    stays = [row for row in iotdb.rows() if row[0] == "odd"]
    assert [bool(stays), bool(problems), archived.total()] in ([True, True, 1], [False, False, 2])
