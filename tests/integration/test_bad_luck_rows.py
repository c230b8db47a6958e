"""Rows that are hard to keep: every one is archived as it is, or stays where it is and is told of."""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.objects import ObjectStore
from servicemanager.export.plan import Hold
from servicemanager.iotdb.columns import COLUMNS, INTEGERS
from servicemanager.iotdb.upgrade import upgrade
from servicemanager.jobs.job import JobResult
from support.exports import archived_rows, archived_tables, days_ago, make_job, run
from support.iotdb import ZONE, Iotdb, facts_ddl, mysql_iotdb, reading
from support.sites import old_rows

PLAIN = old_rows(each=5)
NOON = days_ago(2)
SERVER_TIMES = pytest.mark.parametrize("kind", ["TIMESTAMP", "DATETIME"])


@pytest.fixture
def table(mysql_server, mysql_database) -> Callable[[str], Iotdb]:
    """Makes the table Facts by a statement, with the plain rows in it."""
    made = []

    def make(ddl: str) -> Iotdb:
        iotdb = mysql_iotdb(mysql_server, mysql_database, ddl)
        made.append(iotdb)
        upgrade(iotdb.database)
        iotdb.insert(PLAIN)
        return iotdb

    yield make
    made[0].database.close()


@pytest.fixture
def archive(tmp_path) -> ObjectStore:
    return FolderStore(tmp_path / "archive")


@pytest.fixture
def export(archive, staging) -> Callable[[Iotdb], JobResult]:
    return lambda iotdb: run(make_job(iotdb, archive, staging))


def raw_insert(iotdb: Iotdb, *statements: str) -> None:
    """Past every check of values that a server makes by itself."""
    iotdb.server.execute("SET sql_mode=''", "SET time_zone='+00:00'", *statements, database=iotdb.login.database)


def check_all_archived(iotdb: Iotdb, archive: ObjectStore, rows: Counter, result: JobResult) -> None:
    assert result.problems == ()
    assert archived_rows(archive) == rows
    assert iotdb.rows() == Counter()


@SERVER_TIMES
def test_null_in_any_nullable_column_is_archived_as_null(table, export, archive, kind):
    iotdb = table(facts_ddl(kind=kind, nullable=True))
    rows = [reading(NOON, **{name: None}) for name in COLUMNS] + [reading(NOON, **dict.fromkeys(COLUMNS))] * 2
    iotdb.insert(rows)
    check_all_archived(iotdb, archive, Counter(PLAIN + rows), export(iotdb))


@SERVER_TIMES
def test_null_is_told_from_nought_and_from_nothing(table, export, archive, kind):
    """Sums alone can't: each of these rows has the same ones as its neighbour."""
    iotdb = table(facts_ddl(kind=kind, nullable=True))
    rows = [reading(NOON, sensor=None, data=0), reading(NOON, sensor=0, data=None)]
    rows += [reading(NOON, channel="", device=None), reading(NOON, channel=None, device="")]
    iotdb.insert(rows)
    check_all_archived(iotdb, archive, Counter(PLAIN + rows), export(iotdb))


@SERVER_TIMES
def test_a_row_that_never_arrived_stays_and_is_told_of(table, export, archive, kind):
    iotdb = table(facts_ddl(kind=kind, nullable=True))
    stray = (*reading(NOON)[:12], None)
    iotdb.insert([stray])
    result = export(iotdb)
    assert result.problems == (f"rows without a date: 1 rows stay: {Hold.DATELESS}.",)
    assert iotdb.rows() == Counter([stray])
    assert archived_rows(archive) == Counter(PLAIN)


TEXTS = [
    "a;b",
    "'",
    '"',
    "\\",
    "\\'",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "\0",
    "a\0b",
    "😀🚀",
    "é",
    "ﬃ",
    "\u200f",
    "%s {x} :y",
    "--",
    "",
]
TEXTS += [" ", "a ", " a", "NULL", "N", "1:a;1:b", "\U0001d518\U0001d52b", "ÿ", "\x1a", "\x7f", "\ufffd", "\ufeff"]


@SERVER_TIMES
def test_texts_of_every_kind_are_archived_as_they_are(table, export, archive, kind):
    iotdb = table(facts_ddl(kind=kind))
    rows = [reading(NOON, **{name: text}) for text in TEXTS for name in ("channel", "device_group", "device")]
    iotdb.insert(rows)
    check_all_archived(iotdb, archive, Counter(PLAIN + rows), export(iotdb))


def test_every_byte_of_a_latin1_column_is_archived_as_the_character_that_it_is(table, export, archive):
    iotdb = table(facts_ddl(charset="latin1"))
    values = ",".join(
        f"('weight',2026,1,1,1,1,1,1,_binary x'{byte:02x}',_binary x'{byte:02x}{byte ^ 255:02x}',1,{byte},'{NOON}')"
        for byte in range(256)
    )
    raw_insert(iotdb, f"INSERT INTO Facts VALUES {values}")
    rows = iotdb.rows()
    assert rows.total() == 256 + len(PLAIN)
    check_all_archived(iotdb, archive, rows, export(iotdb))


@pytest.mark.parametrize(
    ("width", "low", "high"),
    [
        ("SMALLINT", -(2**15), 2**15 - 1),
        ("INT", -(2**31), 2**31 - 1),
        ("INT UNSIGNED", 0, 2**32 - 1),
        ("BIGINT", -(2**63), 2**63 - 1),
    ],
)
def test_the_ends_of_every_width_of_integer_are_archived_as_they_are(table, export, archive, width, low, high):
    iotdb = table(facts_ddl().replace(" INT ", f" {width} "))
    rows = [reading(NOON, **{name: value}) for name in INTEGERS for value in (low, high, high, 0)]
    rows += [reading(NOON, **dict.fromkeys(INTEGERS, value)) for value in (low, high)] * 40
    iotdb.insert(rows)
    check_all_archived(iotdb, archive, Counter(PLAIN + rows), export(iotdb))


def stray(moment: str) -> str:
    return f"INSERT INTO Facts VALUES ('stray',1,1,1,1,1,1,1,'g','d',1,1,'{moment}')"


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        ("TIMESTAMP", "0000-00-00 00:00:00"),
        ("DATETIME", "0000-00-00 00:00:00"),
        ("DATETIME", "2026-11-00 10:00:00"),
        ("DATETIME", "2026-00-00 00:00:00"),
    ],
)
@pytest.mark.parametrize("indexed", [True, False])
def test_a_date_that_is_none_stays_and_is_told_of(table, export, archive, kind, moment, indexed):
    iotdb = table(facts_ddl(kind=kind, indexed=indexed))
    raw_insert(iotdb, stray(moment))
    result = export(iotdb)
    assert result.problems == (f"rows without a date: 1 rows stay: {Hold.DATELESS}.",)
    assert archived_rows(archive) == Counter(PLAIN)
    assert iotdb.rows().total() == 1
    assert export(iotdb).problems == result.problems


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        ("TIMESTAMP", "2037-12-31 23:59:59"),
        ("DATETIME", "2037-12-31 23:59:59"),
        ("DATETIME", "9999-12-31 23:59:59"),
    ],
)
def test_a_date_in_the_future_stays_and_is_told_of(table, export, archive, kind, moment):
    iotdb = table(facts_ddl(kind=kind))
    raw_insert(iotdb, stray(moment))
    result = export(iotdb)
    assert result.problems == (f"rows from the future: 1 rows stay: {Hold.FUTURE}.",)
    assert archived_rows(archive) == Counter(PLAIN)
    assert iotdb.rows().total() == 1


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        ("TIMESTAMP", "1970-01-01 00:00:01"),
        ("DATETIME", "1970-01-01 00:00:00"),
        ("DATETIME", "1969-12-31 23:59:59"),
        ("DATETIME", "1900-01-01 00:00:00"),
        ("DATETIME", "1000-01-01 00:00:00"),
    ],
)
def test_a_date_long_ago_is_archived_like_any_other(table, export, archive, kind, moment):
    iotdb = table(facts_ddl(kind=kind))
    raw_insert(iotdb, stray(moment))
    rows = iotdb.rows()
    check_all_archived(iotdb, archive, rows, export(iotdb))


def test_an_operator_sees_in_plan_and_result_which_rows_stay_and_why(site):
    site.iotdb.insert(PLAIN)
    for moment in ("0000-00-00 00:00:00", "0000-00-00 00:00:00", "2037-12-31 23:59:59"):
        raw_insert(site.iotdb, stray(moment))
    plan = site.export("--dry-run", "--json")
    assert plan.status == 0
    held = {(held["what"], held["rows"], held["reason"]) for held in plan.document["held"]}
    assert held == {("rows without a date", 2, Hold.DATELESS), ("rows from the future", 1, Hold.FUTURE)}
    ran = site.export()
    assert ran.status == 1
    assert ran.sentences == [
        f"problem: rows without a date: 2 rows stay: {Hold.DATELESS}.",
        f"problem: rows from the future: 1 rows stay: {Hold.FUTURE}.",
    ]
    assert archived_rows(site.store) == Counter(PLAIN)
    assert site.iotdb.rows().total() == 3


@pytest.mark.parametrize("moment", ["0001-01-02 12:00:00", "0001-01-01 00:00:00", "0000-11-20 00:00:00"])
def test_a_date_before_the_servers_range_stops_no_other_row(table, export, archive, moment):
    """DATETIME begins at the year 1000, and its server takes earlier ones all the same."""
    iotdb = table(facts_ddl(kind="DATETIME"))
    raw_insert(iotdb, stray(moment))
    rows = iotdb.rows() - Counter(PLAIN)
    result = export(iotdb)
    assert archived_rows(archive) >= Counter(PLAIN)
    if rows <= iotdb.rows():
        assert result.problems == (f"rows without a date: 1 rows stay: {Hold.DATELESS}.",)
    else:
        assert archived_rows(archive) == Counter(PLAIN) + rows


@pytest.mark.parametrize("kind", ["TIMESTAMP(6)", "DATETIME(3)"])
def test_fractions_of_a_second_are_archived_as_they_are(table, export, archive, kind):
    ddl = facts_ddl(kind=kind).replace("DEFAULT CURRENT_TIMESTAMP", f"DEFAULT CURRENT_TIMESTAMP{kind[-3:]}")
    iotdb = table(ddl)
    rows = [reading(NOON + timedelta(milliseconds=n)) for n in (1, 999, 1000, 1001)]
    rows.append(reading(days_ago(1, 0) - timedelta(milliseconds=1)))
    iotdb.insert(rows)
    check_all_archived(iotdb, archive, Counter(PLAIN + rows), export(iotdb))


@SERVER_TIMES
def test_thousands_of_identical_rows_are_all_archived(table, export, archive, kind):
    iotdb = table(facts_ddl(kind=kind))
    rows = [reading(NOON)] * 5000
    iotdb.insert(rows)
    check_all_archived(iotdb, archive, Counter(PLAIN + rows), export(iotdb))


@SERVER_TIMES
@pytest.mark.parametrize("indexed", [True, False])
def test_late_rows_that_equal_purged_ones_are_archived_again_and_again(table, export, archive, kind, indexed):
    iotdb = table(facts_ddl(kind=kind, indexed=indexed))
    late = [reading(NOON)] * 3
    for times in range(1, 4):
        iotdb.insert(late)
        check_all_archived(iotdb, archive, Counter(PLAIN + late * times), export(iotdb))
    assert sorted(key[-10:-8] for key, _ in archived_tables(archive)) == ["g0", "g0", "g0", "g1", "g2"]


@SERVER_TIMES
def test_todays_first_second_stays_and_yesterdays_last_goes(table, export, archive, kind):
    iotdb = table(facts_ddl(kind=kind))
    midnight = days_ago(0, 0) if kind == "TIMESTAMP" else datetime.combine(local_today(), time())
    last, first = reading(midnight - timedelta(seconds=1)), reading(midnight)
    iotdb.insert([last, first])
    assert export(iotdb).problems == ()
    assert iotdb.rows() == Counter([first])
    assert archived_rows(archive) == Counter([*PLAIN, last])


def local_today() -> date:
    return datetime.now(ZoneInfo(ZONE)).date()
