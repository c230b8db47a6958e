"""A snapshot is read as slowly as its reader likes, and a connection that breaks meanwhile is one sentence."""

from __future__ import annotations

import gc
import time
from datetime import timedelta

import pytest

from servicemanager.errors import DatabaseUnreachable
from servicemanager.iotdb.mysql import Login, open_mysql

#: So few bytes that the server has sent them all, and waits for the next statement, before they are read.
SOME = "SELECT seq FROM seq_1_to_100000"
MANY = "SELECT seq, REPEAT('x', 200) FROM seq_1_to_2000000"


@pytest.fixture
def database(mysql_server, mysql_database):
    login = Login(
        ((mysql_server.host, mysql_server.port),),
        mysql_server.user,
        mysql_database,
        mysql_server.password,
        idle_limit=timedelta(seconds=1),
    )
    database = open_mysql(login)
    yield database
    database.close()


def test_a_reader_may_be_slower_than_a_session_may_be_silent(database):
    with database.snapshot() as connection:
        rows = iter(connection.execution_options(stream_results=True).exec_driver_sql(SOME))
        next(rows)
        time.sleep(2.5)
        assert sum(1 for _ in rows) == 99_999


def test_the_next_use_finds_no_session_so_patient(database):
    with database.snapshot() as connection:
        connection.exec_driver_sql("SELECT 1")
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT @@wait_timeout").scalar() == 1


def test_a_connection_that_breaks_while_rows_come_is_a_sentence_and_no_trace(database, mysql_server):
    with pytest.raises(DatabaseUnreachable), database.snapshot() as connection:
        number = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar()
        rows = iter(connection.execution_options(stream_results=True).exec_driver_sql(MANY))
        next(rows)
        mysql_server.execute(f"KILL CONNECTION {number}")
        for _ in rows:
            pass
    del rows, connection
    gc.collect()  # what a cursor says when it is cleared away is an error here


def test_a_reader_that_ends_early_leaves_nothing_behind(database):
    with database.snapshot() as connection:
        next(iter(connection.execution_options(stream_results=True).exec_driver_sql(MANY)))
    gc.collect()
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
