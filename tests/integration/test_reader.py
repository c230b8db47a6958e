"""The reader of rows: every value as the server has it, at the pace of whoever asks for it."""

import threading
import time
from datetime import timedelta
from itertools import count, islice

import pytest

from servicemanager.errors import DatabaseRefused
from servicemanager.iotdb import wire
from servicemanager.iotdb.mysql import open_mysql
from servicemanager.iotdb.reader import iter_mysql
from support.iotdb import mysql_login
from support.mariadb import Server


@pytest.fixture
def database(mysql_server: Server, mysql_database: str):
    database = open_mysql(mysql_login(mysql_server, mysql_database))
    yield database
    database.close()


def read(database, query: str) -> list[tuple]:
    batches = iter_mysql(database, query)
    return [row for batch in batches for row in zip(*batch.to_pydict().values(), strict=True)]


def test_other_threads_go_on_while_the_server_is_slow(database):
    """A reader that holds Python's lock would keep the lease from being renewed."""
    done, ticks = threading.Event(), count()
    thread = threading.Thread(target=lambda: [next(ticks) for _ in iter(lambda: done.wait(0.02), True)])
    thread.start()
    try:
        begin = time.monotonic()
        assert len(read(database, "SELECT 1 AS n, SLEEP(1) AS s")) == 1
        assert time.monotonic() - begin > 1
    finally:
        done.set()
        thread.join()
    assert next(ticks) > 10


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("TINYINT", [-128, 127, None, 0]),
        ("SMALLINT", [-(2**15), 2**15 - 1, None]),
        ("MEDIUMINT", [-(2**23), None, 2**23 - 1]),
        ("INT", [None, -(2**31), 2**31 - 1]),
        ("INT UNSIGNED", [2**32 - 1, 0, None]),
        ("BIGINT UNSIGNED", [2**64 - 1, 0, None]),
        ("BIGINT", [-(2**63), 2**63 - 1, None]),
        ("YEAR", [1901, 2155, None]),
        ("VARCHAR(600)", ["", None, "a", "a\0", "a\0\0", " a ", "ü" * 250, "x" * 250, "x" * 251, "🦉" * 600]),
        ("CHAR(20)", [None, "", "AB:01", "ab:01", "🦉" * 20]),
        ("LONGTEXT", ["x" * 70_000, None, "y" * 251, ""]),
    ],
)
def test_every_value_comes_as_it_is(database, mysql_server: Server, mysql_database: str, kind: str, values: list):
    """Between values that are always there, so that one of a wrong length would spoil the next."""
    name = f"{mysql_database}.Spelled"
    mysql_server.execute(f"CREATE TABLE {name} (n INT, value {kind}, further {kind}, last BIGINT)")
    with mysql_server.connect() as connection, connection.cursor() as cursor:
        rows = [(n, value, values[-1 - n], 7 * n) for n, value in enumerate(values)]
        cursor.executemany(f"INSERT INTO {name} VALUES (%s, %s, %s, %s)", rows)
    assert sorted(read(database, f"SELECT * FROM {name}")) == rows


@pytest.mark.parametrize("rows", [0, 1, 3, 50_000])
def test_every_row_comes_once_and_in_order(database, monkeypatch: pytest.MonkeyPatch, rows: int):
    """With a buffer so small that rows lie across its end."""
    monkeypatch.setattr(wire, "_BATCH_BYTES", 1_000)
    found = read(database, f"SELECT seq AS n, REPEAT('x', seq MOD 97) AS text FROM seq_1_to_{rows or 1} LIMIT {rows}")
    assert found == [(n, "x" * (n % 97)) for n in range(1, rows + 1)]


def test_a_reader_that_pauses_is_waited_for_even_when_all_rows_were_sent(mysql_server: Server, mysql_database: str):
    """Other sessions are dropped after a silence, so that a frozen process keeps no locks."""
    database = open_mysql(mysql_login(mysql_server, mysql_database, idle_limit=timedelta(seconds=1)))
    try:
        batches = iter_mysql(database, "SELECT seq FROM seq_1_to_300000")
        rows = next(batches).num_rows
        time.sleep(2.5)
        assert rows + sum(batch.num_rows for batch in batches) == 300_000
        with database.reading() as connection:
            assert connection.exec_driver_sql("SELECT @@wait_timeout").scalar_one() == 1
    finally:
        database.close()


def test_the_database_serves_again_after_all_rows_and_after_some(database):
    for wanted in (None, 1, None):
        with_rows = islice(iter_mysql(database, "SELECT seq FROM seq_1_to_1000000"), wanted)
        assert sum(batch.num_rows for batch in with_rows) > 0
    assert read(database, "SELECT 1") == [(1,)]


def test_a_statement_that_is_refused_and_one_that_fails_half_way_are_told(database):
    with pytest.raises(DatabaseRefused, match="lacks a table"):
        read(database, "SELECT n FROM Nowhere")
    with pytest.raises(DatabaseRefused, match="1690"):  # BIGINT value is out of range
        read(database, "SELECT 9223372036854775807 + CAST(seq DIV 400000 AS SIGNED) FROM seq_1_to_500000")
