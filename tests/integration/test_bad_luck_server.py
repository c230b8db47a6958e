"""Servers that are down, read-only, replicas, or log in a way that forbids short locks."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support import badproxy
from support.iotdb import facts_ddl, mysql_iotdb
from support.mariadb import Server, free_port, private_server
from support.sites import Site, make_account, make_site, old_rows

ROWS = old_rows()


@pytest.fixture(scope="module")
def logging_server() -> Iterator[Server]:
    """A server whose settings a test may change; it keeps a binary log."""
    with private_server("--log-bin", "--binlog-format=ROW", "--server-id=1") as server:
        yield server


@pytest.fixture(scope="module")
def standby() -> Iterator[Server]:
    """Another server, which follows the first one where a test says so."""
    with private_server("--server-id=2") as server:
        yield server


@pytest.fixture
def site(logging_server, s3_server, s3_bucket, tmp_path) -> Iterator[Site]:
    """On that server, with rows; its account is root, who may do everything."""
    logging_server.execute("CREATE DATABASE iotdb")
    iotdb = mysql_iotdb(logging_server, "iotdb", facts_ddl())
    iotdb.insert(ROWS)
    made = make_site(iotdb, s3_server, s3_bucket, tmp_path)
    made.environ |= {"MYSQL_USER": "root", "MYSQL_PASSWORD": ""}
    yield made
    logging_server.execute("SET GLOBAL read_only=0, binlog_format='ROW'", "DROP DATABASE iotdb")
    iotdb.database.close()


def port_of(site: Site) -> int:
    return int(site.environ["MYSQL_PORT"])


def test_a_server_that_is_down_is_named_with_the_settings_to_look_at(site):
    port = free_port()
    ran = site.export(MYSQL_PORT=port)
    assert ran.status == 4
    assert f"127.0.0.1:{port}/iotdb can't be reached" in ran.sentence
    assert "MYSQL_HOST" in ran.sentence
    site.check_untouched(ROWS)
    site.finish(ROWS)


def test_a_host_that_nobody_knows_is_named_too(site):
    ran = site.export(MYSQL_HOST="no-such-host.invalid")
    assert ran.status == 4
    assert "no-such-host.invalid" in ran.sentence
    assert "MYSQL_HOST" in ran.sentence


def test_where_no_host_can_be_used_the_reason_is_told_for_each(site, logging_server):
    down, read_only = free_port(), port_of(site)
    logging_server.execute("SET GLOBAL read_only=1")
    ran = site.export(MYSQL_HOST=f"127.0.0.1:{down},127.0.0.1:{read_only}")
    assert ran.status == 4
    assert ran.sentence.startswith("servicemanager: No host of MYSQL_HOST can be used.")
    assert f"127.0.0.1:{down}/iotdb can't be reached" in ran.sentence
    assert f"127.0.0.1:{read_only}/iotdb is read-only" in ran.sentence
    site.check_untouched(ROWS)


def test_a_run_works_on_the_first_of_several_hosts_that_can_be_written_to(site, standby):
    standby.execute("CREATE DATABASE IF NOT EXISTS iotdb", "SET GLOBAL read_only=1")
    site.complete(ROWS, MYSQL_HOST=f"127.0.0.1:{free_port()},127.0.0.1:{standby.port},127.0.0.1:{port_of(site)}")
    assert standby.execute("SHOW TABLES FROM iotdb") == []


@pytest.mark.parametrize("account", ["root", "an account without SUPER"])
def test_a_read_only_server_is_refused_whoever_asks(site, logging_server, account):
    if account != "root":
        site.environ["MYSQL_USER"] = make_account(logging_server, "ALL ON iotdb.*", password="")
    logging_server.execute("SET GLOBAL read_only=1")
    ran = site.export()
    assert ran.status == 4
    assert f"127.0.0.1:{port_of(site)}/iotdb is read-only: name the writable server in MYSQL_HOST" in ran.sentence
    site.check_untouched(ROWS)
    logging_server.execute("SET GLOBAL read_only=0")
    site.finish(ROWS)


def test_a_server_that_becomes_read_only_while_an_object_is_put_keeps_every_row(site, bad_proxy, logging_server):
    account = make_account(logging_server, "ALL ON iotdb.*", password="")
    failover = badproxy.meanwhile(lambda: logging_server.execute("SET GLOBAL read_only=1"))
    bad_proxy.plan("PUT", badproxy.pass_on, badproxy.pass_on, failover)
    ran = site.export(AWS_ENDPOINT=bad_proxy.url, MYSQL_USER=account, CLUSTER_LEASE="4s")
    assert ran.status == 4
    assert "is read-only" in ran.sentence
    assert site.iotdb.rows() == Counter(ROWS)
    logging_server.execute("SET GLOBAL read_only=0")
    site.finish(ROWS)


@pytest.mark.parametrize("account", ["root", "an account that may not ask about replication"])
def test_a_replica_is_refused_even_where_it_can_be_written_to(site, logging_server, standby, account):
    user = "root" if account == "root" else make_account(logging_server, "ALL ON iotdb.*", password="")
    with replicating(logging_server, standby):
        ran = site.export(MYSQL_PORT=standby.port, MYSQL_USER=user)
    assert ran.status == 4, ran.stderr
    assert f"127.0.0.1:{standby.port}/iotdb is a replica: name its primary in MYSQL_HOST" in ran.sentence
    site.check_untouched(ROWS)


@contextmanager
def replicating(primary: Server, replica: Server) -> Iterator[None]:
    """`replica` follows `primary`, and has caught up with all that stands there."""
    make_account(primary, "REPLICATION SLAVE ON *.*", name="replica", password="")
    (position,) = primary.execute("SELECT @@gtid_binlog_pos")
    replica.execute(
        "SET GLOBAL read_only=0",
        "DROP DATABASE IF EXISTS iotdb",
        "SET GLOBAL gtid_slave_pos=''",
        f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, MASTER_USER='replica', "
        "MASTER_USE_GTID=slave_pos",
        "START SLAVE",
    )
    try:
        assert replica.execute(f"SELECT MASTER_GTID_WAIT('{position[0]}', 20)") == [(0,)]
        yield
    finally:
        replica.execute("STOP SLAVE", "RESET SLAVE ALL", "DROP DATABASE iotdb")


def test_a_log_of_statements_is_named_where_the_account_may_not_change_it(site, logging_server):
    logging_server.execute("SET GLOBAL binlog_format='STATEMENT'")
    account = make_account(logging_server, "ALL ON iotdb.*", password="")
    ran = site.export(MYSQL_USER=account)
    assert ran.status == 1
    assert f"127.0.0.1:{port_of(site)}/iotdb" in ran.sentence
    assert "binlog_format to ROW or MIXED, or give the user the right BINLOG ADMIN" in ran.sentence
    site.check_untouched(ROWS)
    logging_server.execute(f"GRANT BINLOG ADMIN ON *.* TO '{account}'@'127.0.0.1'")
    site.complete(ROWS, MYSQL_USER=account)


def test_root_switches_a_log_of_statements_for_the_session_alone(site, logging_server):
    logging_server.execute("SET GLOBAL binlog_format='STATEMENT'")
    site.complete(ROWS)
    assert logging_server.execute("SELECT @@global.binlog_format") == [("STATEMENT",)]
