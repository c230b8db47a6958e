"""`servicemanager query`, as a process: what it prints, and how it ends where something is wrong."""

import csv
import io
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.iotdb.upgrade import upgrade
from support.cli import servicemanager, start, until
from support.exports import days_ago, make_job, run
from support.iotdb import reading, sqlite_iotdb


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The embedded default: two archived days, and today."""
    place = tmp_path_factory.mktemp("embedded")
    (place / "staging").mkdir()
    iotdb = sqlite_iotdb(place / "servicemanager-data" / "iotdb.sqlite")
    upgrade(iotdb.database)
    store = FolderStore(place / "servicemanager-data" / "archive")
    iotdb.insert([reading(days_ago(day), data=n, device='a"b;\n') for day in (2, 1, 0) for n in range(4)])
    run(make_job(iotdb, store, place / "staging"))
    iotdb.database.close()
    return place


def query(*arguments: str, folder):
    return servicemanager("query", *arguments, environ={}, folder=folder)


COUNTS = "SELECT creation_date AS day, count(*) AS readings, sum(data) AS total FROM facts GROUP BY ALL ORDER BY ALL"


def test_a_table_for_people(folder):
    ran = query(COUNTS, folder=folder)
    assert (ran.status, ran.sentences) == (0, [])
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert lines == [["day", "readings", "total"], *[[f"{days_ago(day):%Y-%m-%d}", "4", "6"] for day in (2, 1, 0)]]


def test_csv_and_json_and_parquet_hold_the_same(folder, tmp_path):
    sql = "SELECT device, data, creationDate, NULL AS nothing, [1, 2] AS two FROM facts WHERE data = 3 ORDER BY ALL"
    as_csv = query(sql, "--csv", folder=folder)
    names, *rows = csv.reader(io.StringIO(as_csv.stdout))
    assert names == ["device", "data", "creationDate", "nothing", "two"]
    assert [row[:2] + row[3:] for row in rows] == [['a"b;\n', "3", "", "[1, 2]"]] * 3
    found = query(sql, "--json", folder=folder).document
    assert [[row["device"], row["data"], row["nothing"], row["two"]] for row in found] == [
        ['a"b;\n', 3, None, [1, 2]]
    ] * 3
    assert [row["creationDate"] for row in found] == [row[2] for row in rows]
    file = tmp_path / "answer.parquet"
    written = query(sql, "--parquet", str(file), folder=folder)
    assert (written.status, written.stdout) == (0, "")
    assert pq.read_table(file).column("data").to_pylist() == [3, 3, 3]
    assert list(tmp_path.iterdir()) == [file]


def test_an_answer_without_rows_is_whole_too(folder, tmp_path):
    nothing = "SELECT device FROM facts WHERE data > 1000"
    assert query(nothing, folder=folder).stdout == "device\n"
    assert query(nothing, "--json", folder=folder).document == []
    query(nothing, "--parquet", str(tmp_path / "none"), folder=folder)
    assert pq.read_table(tmp_path / "none").num_rows == 0


def test_a_long_table_says_that_it_is_cut(folder):
    ran = query("SELECT * FROM range(10_001)", folder=folder)
    assert len(ran.stdout.splitlines()) == 10_001
    assert ran.notes == ["note: 10,000 of 10,001 rows are shown; --csv, --json and --parquet give all."]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM facts", '"nothing" not found'),
        ("SELECT CAST(device AS INT) FROM facts", "Could not convert"),
        ("COPY facts TO 'stolen.csv'", "Only SELECT is answered, not COPY"),
        ("SELECT * FROM read_text('/etc/hostname')", "disabled by configuration"),
    ],
)
def test_wrong_sql_ends_with_the_words_of_duckdb(folder, sql, words):
    ran = query(sql, "--json", folder=folder)
    assert (ran.status, ran.stdout) == (2, "")
    assert words in ran.stderr


def test_what_the_command_can_not_do_is_said_before_anything_is_read(folder, tmp_path):
    assert query("SELECT 1", "--memory", "much", folder=folder).status == 2
    assert query("SELECT 1", "--csv", "--json", folder=folder).status == 2
    ran = query("SELECT 1", "--parquet", str(tmp_path / "missing" / "x"), folder=folder)
    assert (ran.status, "choose another file" in ran.sentence) == (1, True)
    ran = query("SELECT INTERVAL 1 MONTH AS a", "--parquet", str(tmp_path / "x"), folder=folder)
    assert (ran.status, "cast it" in ran.sentence) == (2, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_long_query_in_a_sentence(folder, number):
    endless = "SELECT count(*) FROM facts, range(1_000_000_000) a, range(1_000_000) b WHERE a.range % 7 = b.range"
    running = start("query", endless, environ={}, folder=folder)
    until(lambda: is_calculating(running))
    running.process.send_signal(number)
    ran = running.wait()
    assert (ran.status, ran.sentence) == (1, "servicemanager: The query was interrupted.")


def is_calculating(running) -> bool:
    """By now DuckDB's threads are at work."""
    ticks = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()[11]
    return int(ticks) > 150


def test_on_a_server_and_a_bucket_it_answers_the_same(site):
    rows = [reading(days_ago(day), data=n) for day in (2, 1, 0) for n in range(4)]
    site.iotdb.insert(rows)
    site.complete(rows, today=rows[-4:])
    ran = servicemanager("query", COUNTS, "--json", environ=site.environ, folder=site.folder)
    assert ran.document == [{"day": f"{days_ago(day):%Y-%m-%d}", "readings": 4, "total": 6} for day in (2, 1, 0)]
    assert list(site.staging.iterdir()) == []


def test_a_database_or_a_bucket_that_is_away_ends_with_4(site):
    rows = [reading(days_ago(1))]
    site.iotdb.insert(rows)
    site.complete(rows)
    away = {"MYSQL_PORT": "1"}
    ran = servicemanager("query", COUNTS, environ=site.environ | away, folder=site.folder)
    assert (ran.status, "can't be reached" in ran.sentence) == (4, True)
    away = {"AWS_ENDPOINT": "http://127.0.0.1:1"}
    ran = servicemanager("query", COUNTS, environ=site.environ | away, folder=site.folder)
    assert (ran.status, "no connection to 127.0.0.1:1 lasts" in ran.sentence) == (4, True)
