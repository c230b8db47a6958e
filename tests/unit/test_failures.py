"""Drivers' errors in our own words: the right class and exit status, the remedy, and never a statement or a value."""

from __future__ import annotations

import sqlite3

import pymysql
import pytest
import sqlalchemy as sa

from servicemanager.errors import DatabaseBusy, DatabaseRefused, DatabaseUnreachable, RightMissing, ServiceManagerError
from servicemanager.iotdb.failures import translate, translating
from servicemanager.iotdb.sqlite import open_sqlite

PLACE = "db.shop:3306/IOTDB"


def mysql(code: int, text: str) -> ServiceManagerError:
    return translate(pymysql.OperationalError(code, text), PLACE)


@pytest.mark.parametrize(
    ("code", "text", "remedy"),
    [
        (2003, "Can't connect to MySQL server on 'db.shop' ([Errno 111] Connection refused)", "check that the server"),
        (2005, "Unknown MySQL server host 'db.shop'", "MYSQL_HOST"),
        (2006, "MySQL server has gone away (ConnectionResetError(104))", "broke the connection"),
        (2013, "Lost connection to MySQL server during query", "broke the connection"),
        (2026, "SSL connection error: certificate verify failed", "can't be reached"),
        (1040, "Too many connections", "can't be reached"),
        (1053, "Server shutdown in progress", "can't be reached"),
        (1077, "mysqld: Normal shutdown", "can't be reached"),
        (1159, "Got timeout reading communication packets", "broke the connection"),
        (1158, "Got an error reading communication packets", "broke the connection"),
        (1160, "Got an error writing communication packets", "broke the connection"),
        (1927, "Connection was killed", "broke the connection"),
        (4031, "The client was disconnected by the server because of inactivity.", "broke the connection"),
        (1047, "WSREP has not yet prepared node for application use", "can't be reached"),
        (1129, "Host '10.0.0.7' is blocked because of many connection errors", "can't be reached"),
        (1203, "User sm already has more than 'max_user_connections' active connections", "can't be reached"),
        (1226, "User 'sm' has exceeded the 'max_user_connections' resource (current value: 4)", "can't be reached"),
        (1045, "Access denied for user 'sm'@'10.0.0.7' (using password: YES)", "MYSQL_USER and MYSQL_PASSWORD"),
        (1130, "Host '10.0.0.7' is not allowed to connect to this MySQL server", "refuses the login"),
        (1698, "Access denied for user 'root'@'localhost'", "refuses the login"),
        (1290, "The MySQL server is running with the --read-only option so it cannot execute this", "writable server"),
        (1792, "Cannot execute statement in a READ ONLY transaction.", "writable server"),
        (1836, "Running in read-only mode", "writable server"),
    ],
)
def test_a_server_that_can_not_be_used_is_unreachable(code, text, remedy):
    error = mysql(code, text)
    assert type(error) is DatabaseUnreachable
    assert (error.exit_status, error.retryable) == (4, True)
    assert PLACE in str(error)
    assert text in str(error)
    assert remedy in str(error)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1062, "Duplicate entry 'job:export' for key 'PRIMARY'"),  # another instance was quicker
        (1205, "Lock wait timeout exceeded; try restarting transaction"),
        (1213, "Deadlock found when trying to get lock; try restarting transaction"),
        (1637, "Too many active concurrent transactions"),
        (3572, "Statement aborted because lock(s) could not be acquired immediately and NOWAIT is set."),
    ],
)
def test_locks_of_others_can_be_waited_for(code, text):
    error = mysql(code, text)
    assert type(error) is DatabaseBusy
    assert (error.exit_status, error.retryable) == (1, True)
    assert "Another transaction" in str(error)


@pytest.mark.parametrize(
    ("code", "text", "remedy"),
    [
        (1049, "Unknown database 'IOTDB'", "check MYSQL_DATABASE"),
        (1146, "Table 'IOTDB.Facts' doesn't exist", "check MYSQL_DATABASE"),
        (1054, "Unknown column 'creationDate' in 'WHERE'", "lacks a table or a column"),
        (1665, "Cannot execute statement: impossible to write to binary log since BINLOG_FORMAT = STATEMENT", "ROW"),
        (1114, "The table 'Facts' is full", "make room there"),
        (1030, 'Got error 28 "No space left on device" from storage engine InnoDB', "make room there"),
    ],
)
def test_what_the_server_refuses_is_no_use_to_try_again(code, text, remedy):
    error = mysql(code, text)
    assert type(error) is DatabaseRefused
    assert (error.exit_status, error.retryable) == (1, False)
    assert remedy in str(error)


@pytest.mark.parametrize("account", ["'sm'@'%'", "'sm'@'10.0.0.7'", "''@'%'", "'a-b.c'@'db.shop'"])
@pytest.mark.parametrize(
    ("text", "right", "table"),
    [
        # MariaDB 10.11 names the database, MySQL 8 the table only.
        ("DELETE command denied to user {} for table `IOTDB`.`Facts`", "DELETE", "`IOTDB`.`Facts`"),
        ("DELETE command denied to user {} for table 'Facts'", "DELETE", "`IOTDB`.`Facts`"),
        ("CREATE command denied to user {} for table `IOTDB`.`sm_meta`", "CREATE", "`IOTDB`.`sm_meta`"),
        ("CREATE command denied to user {} for table 'sm_meta'", "CREATE", "`IOTDB`.`sm_meta`"),
        ("SELECT command denied to user {} for column 'data' in table 'Facts'", "SELECT", "`IOTDB`.`Facts`"),
    ],
)
def test_a_missing_right_is_named_with_its_grant(text, right, table, account):
    error = mysql(1143 if "column" in text else 1142, text.format(account))
    assert type(error) is RightMissing
    assert (error.exit_status, error.retryable) == (1, False)
    assert str(error).endswith(f"Give it with: GRANT {right} ON {table} TO {account};")


def test_the_grant_names_the_account_and_not_the_address_that_one_comes_from():
    text = "DELETE command denied to user 'sm'@'10.0.0.7' for table `IOTDB`.`Facts`"
    error = translate(pymysql.OperationalError(1142, text), PLACE, "'sm'@'%'")
    assert str(error).endswith("GRANT DELETE ON `IOTDB`.`Facts` TO 'sm'@'%';")


def test_a_database_that_may_not_be_entered_is_named_with_the_account():
    error = mysql(1044, "Access denied for user 'sm'@'%' to database 'IOTDB'")
    assert type(error) is RightMissing
    assert "'sm'@'%' has no rights on the database IOTDB at db.shop:3306/IOTDB: check MYSQL_DATABASE" in str(error)


def test_a_right_that_is_not_over_a_table_is_told_in_the_servers_words():
    text = "Access denied; you need (at least one of) the BINLOG ADMIN privilege(s) for this operation"
    assert text in str(mysql(1227, text))


@pytest.mark.parametrize(
    "error",
    [
        pymysql.InterfaceError(0, ""),
        pymysql.InternalError("Packet sequence number wrong - got 1 expected 2"),
        pymysql.OperationalError(),
        pymysql.Error(),
    ],
)
def test_a_connection_that_talks_nonsense_is_lost(error):
    assert type(translate(error, PLACE)) is DatabaseUnreachable


@pytest.mark.parametrize(
    ("text", "kind", "status"),
    [
        ("database is locked", DatabaseBusy, 1),
        ("database table is locked: Facts", DatabaseBusy, 1),
        ("unable to open database file", DatabaseUnreachable, 4),
        ("disk I/O error", DatabaseUnreachable, 4),
        ("database or disk is full", DatabaseUnreachable, 4),
        ("database disk image is malformed", DatabaseUnreachable, 4),
        ("attempt to write a readonly database", DatabaseUnreachable, 4),
        ("file is not a database", DatabaseUnreachable, 4),
        ("no such table: Facts", DatabaseRefused, 1),
        ("UNIQUE constraint failed: sm_lease.name", DatabaseBusy, 1),
    ],
)
def test_the_embedded_databases_errors(text, kind, status):
    error = translate(sqlite3.OperationalError(text), "/data/iotdb.sqlite")
    assert type(error) is kind
    assert error.exit_status == status
    assert "/data/iotdb.sqlite" in str(error)
    assert text in str(error)


# -- As a context -----------------------------------------------------------------------------------------------


def test_the_cause_is_kept_and_no_statement_is_shown(tmp_path):
    database = open_sqlite(tmp_path / "iotdb.sqlite")
    with pytest.raises(DatabaseRefused) as caught, database.transaction() as tx:
        tx.execute(sa.text("SELECT * FROM nothing WHERE device = :device"), {"device": "a secret"})
    database.close()
    assert isinstance(caught.value.__cause__, sa.exc.OperationalError)
    assert "nothing WHERE" not in str(caught.value)
    assert "a secret" not in str(caught.value)


def test_a_pool_that_is_used_up_names_the_setting():
    with pytest.raises(DatabaseBusy, match="raise MYSQL_CONNECTIONLIMIT") as caught, translating(PLACE):
        raise sa.exc.TimeoutError
    assert caught.value.retryable


def test_a_bare_driver_error_is_translated_too():
    with pytest.raises(DatabaseUnreachable), translating(PLACE):
        raise pymysql.OperationalError(2013, "Lost connection")


@pytest.mark.parametrize("error", [DatabaseBusy("ours"), ValueError("a bug"), KeyboardInterrupt()])
def test_what_is_no_drivers_error_passes_through(error):
    with pytest.raises(type(error)) as caught, translating(PLACE):
        raise error
    assert caught.value is error
