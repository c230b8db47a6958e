"""The commands as processes, on a real MariaDB, with just the rights that the reference lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from servicemanager.cluster.lease import acquire
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.mysql import open_mysql
from support.cli import Ran, servicemanager
from support.fleet import Platform
from support.grants import ALWAYS, HEALTH, give, grants
from support.iotdb import facts_ddl, mysql_login
from support.leases import MINUTE
from support.mariadb import Server
from support.messages import MESSAGES
from support.sites import PASSWORD
from support.statistics import DDL
from support.tcpproxy import cut, tcp_proxy_before

SHOP = [f"A{n}" for n in range(1, 4)]


@dataclass
class Installation:
    #: With the server's own clock, where the platform's is a test's.
    database: Database
    platform: Platform
    environ: dict[str, str]
    folder: Path
    server: Server
    schema: str
    account: str

    def run(self, *arguments: str, **environ: str) -> Ran:
        return servicemanager(*arguments, environ=self.environ | environ, folder=self.folder)

    def announce(self, names: list[str], minutes_ago: float) -> None:
        self.platform.announce(names, datetime.now(UTC) - timedelta(minutes=minutes_ago))


@pytest.fixture
def installation(mysql_server, mysql_database, tmp_path) -> Iterator[Installation]:
    database = open_mysql(mysql_login(mysql_server, mysql_database))
    platform = Platform(database)
    mysql_server.execute(facts_ddl(), *MESSAGES, DDL, database=mysql_database)
    platform.register("shop 1207", *SHOP)
    platform.register("shop 9", "B1", "B2", "B3")
    account = f"guest_{mysql_database}"[-32:]
    mysql_server.execute(f"CREATE USER '{account}'@'%' IDENTIFIED BY '{PASSWORD.replace(chr(92), chr(92) * 2)}'")
    give(mysql_server, mysql_database, account, grants(ALWAYS, HEALTH))
    environ = {
        "MYSQL_HOST": mysql_server.host,
        "MYSQL_PORT": str(mysql_server.port),
        "MYSQL_USER": account,
        "MYSQL_PASSWORD": PASSWORD,
        "MYSQL_DATABASE": mysql_database,
        "EXPORT_LOCALDIRECTORY": str(tmp_path),
    }
    made = Installation(database, platform, environ, tmp_path, mysql_server, mysql_database, account)
    made.announce([*SHOP, "B1", "B2", "B3"], 0)
    yield made
    database.close()
    mysql_server.execute(f"DROP USER '{account}'@'%'")


def test_a_check_tells_the_news_on_the_console_and_says_what_it_did(installation):
    assert installation.run("run-job", "devices").status == 0
    installation.announce(SHOP, 70)
    ran = installation.run("run-job", "devices")
    assert (ran.status, "== 1 shop down (#1)" in ran.stdout) == (0, True), ran.stderr
    again = installation.run("run-job", "devices", "--json")
    assert again.document["counts"] == {
        "silent": 3,
        "incidents": 1,
        "nothing_new": 1,
        "delivered": 0,
        "undelivered": 0,
    }


def test_devices_only_looks_and_its_status_serves_scripts(installation):
    assert installation.run("devices").status == 0
    installation.announce(SHOP[:1], 70)
    ran = installation.run("devices", "--silent-only", "--json")
    assert (ran.status, [one["device"] for one in ran.document]) == (1, ["A1"])
    assert installation.run("devices", "--group", "shop 9").status == 0
    said = installation.run("devices", "--explain", "A1")
    assert said.stdout == "A1 is silent: it was last heard 70 minutes ago, and the limit is 60 minutes.\n"
    assert installation.run("devices", "--explain", "a1").status == 2
    assert installation.run("run-job", "devices").stdout.count("==") == 1


def test_a_silence_is_added_listed_and_removed(installation):
    installation.announce(SHOP, 70)
    added = installation.run("silence", "add", "--group", "shop 1207", "--for", "4h", "--reason", "works")
    assert added.stdout.startswith("Silence 1: group shop 1207 until ")
    assert "==" not in installation.run("run-job", "devices").stdout
    (listed,) = installation.run("silence", "list", "--json").document
    assert (listed["number"], listed["in_force"], listed["reason"]) == (1, True, "works")
    assert listed["by"]
    assert installation.run("silence", "remove", "1").status == 0
    assert installation.run("silence", "remove", "1").status == 2
    assert "== 1 shop down (#1)" in installation.run("run-job", "devices").stdout
    other = installation.run("silence", "add", "--subject", "job:export", "--for", "4h", "--reason", "works")
    assert other.stdout.startswith("Silence 2: subject job:export until ")


@pytest.mark.parametrize(
    "options",
    [
        ["--for", "1h"],
        ["--device", "A", "--group", "B", "--for", "1h"],
        ["--device", "A"],
        ["--device", "A", "--for", "1h", "--until", "2099-01-01"],
        ["--device", "A", "--until", "2001-01-01"],
        ["--device", "A", "--cron", "0 22 * * *"],
        ["--device", "A", "--cron", "nonsense", "--for", "1h"],
        ["--device", "A", "--for", "soon"],
        ["--device", "A" * 21, "--for", "1h"],
        ["--subject", "A" * 191, "--for", "1h"],
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(installation, options):
    assert installation.run("silence", "add", "--reason", "r", *options).status == 2
    assert installation.run("silence", "list").stdout == "There are no silences.\n"


def test_while_another_instance_checks_this_one_does_not(installation):
    lease = acquire(installation.database, "job:devices", "another", MINUTE)
    assert installation.run("run-job", "devices").status == 3
    lease.release()


def test_a_job_that_does_not_exist_and_a_url_that_nobody_understands_are_found_at_the_start(installation):
    assert "devices, history, statistics, export, messages" in installation.run("run-job", "nonsense").sentence
    ran = installation.run("run-job", "devices", NOTIFY_URLS="nonsense://s3cret")
    assert (ran.status, "s3cret" in ran.stderr) == (2, False)


def test_a_database_that_is_down_is_told_once_and_so_is_its_end(installation):
    with tcp_proxy_before(installation.server.host, installation.server.port) as proxy:
        there = {"MYSQL_PORT": str(proxy.port)}
        proxy.trap(installation.account.encode(), cut, times=2)
        first = installation.run("run-job", "devices", **there)
        assert (first.status, first.stdout.count("== The database can't be reached")) == (4, 1)
        again = installation.run("run-job", "devices", **there)
        assert (again.status, "==" in again.stdout) == (4, False)
        back = installation.run("run-job", "devices", **there)
        assert (back.status, back.stdout.count("== The database can be reached again")) == (0, 1)
        assert "==" not in installation.run("run-job", "devices", **there).stdout


def test_the_news_reaches_a_subscriber_of_the_topic_as_they_stand_in_the_outbox(installation, topic):
    sns, received = topic
    aws = {
        "AWS_TOPICARN": sns.topic,
        "AWS_ENDPOINT": sns.access.endpoint,
        "AWS_ACCESSKEYID": sns.access.access_key_id,
        "AWS_SECRETACCESSKEY": sns.access.secret_access_key,
    }
    installation.announce(SHOP, 70)
    ran = installation.run("run-job", "devices", **aws)
    assert ran.status == 0, ran.stderr
    query = f"SELECT subject, body FROM {installation.schema}.sm_outbox WHERE delivered_at IS NOT NULL"
    ((subject, body),) = received()
    assert installation.server.execute(query) == [(subject, body)]
    assert subject == "1 shop down (#1)"
    refused = installation.run("run-job", "devices", **{**aws, "AWS_TOPICARN": f"{sns.topic}-of-others"})
    assert refused.status == 0
    installation.announce(SHOP[:1], 0)
    installation.announce(["B1"], 70)
    refused = installation.run("run-job", "devices", **{**aws, "AWS_TOPICARN": f"{sns.topic}-of-others"})
    assert (refused.status, "correct aws.topicArn" in refused.stderr) == (1, True), refused.stderr


@pytest.mark.parametrize("hours", [1, -1])
def test_a_machine_whose_clock_is_an_hour_off_decides_as_every_other(installation, hours):
    """Here it is the server's clock that is off; only how one differs from the other can matter."""
    execute, schema = installation.server.execute, installation.schema
    execute(f"SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() + {hours * 3600}'")
    try:
        for minutes, told in ((50, 0), (70, 1), (75, 0)):
            now = datetime.now(UTC) + timedelta(hours=hours)
            installation.platform.announce(["B1", "B2", "B3"], now)
            installation.platform.announce(SHOP, now - timedelta(minutes=minutes))
            ran = installation.run("run-job", "devices")
            assert (ran.status, ran.stdout.count("== 1 shop down (#1)")) == (0, told), ran.stderr
        assert execute(f"SELECT COUNT(*) FROM {schema}.sm_outbox") == [(1,)]
        said = installation.run("devices", "--explain", "A1").stdout
        assert said == "A1 is silent: it was last heard 75 minutes ago, and the limit is 60 minutes.\n"
    finally:
        execute("SET GLOBAL init_connect = ''")


def test_history_records_head_counts_and_forgets_what_is_old(installation):
    installation.announce(SHOP[:1], 7)
    execute = installation.server.execute
    schema = installation.schema
    execute(f"INSERT INTO {schema}.DeviceHistoryStatus VALUES ('NORMAL', 1, UTC_TIMESTAMP() - INTERVAL 5 HOUR)")
    assert installation.run("run-job", "history").status == 0
    rows = execute(f"SELECT status, numberOfDevices FROM {schema}.DeviceHistoryStatus")
    assert dict(rows) == {"NORMAL": 5, "WARNING": 1, "FAIL": 0, "UNKNOWN": 0, "WAITING_APPROVE": 0}
    assert len(rows) == 5


def test_none_of_the_rights_can_be_spared(installation):
    needless = []
    for right, table in grants(HEALTH):
        installation.server.execute(
            f"REVOKE {right} ON `{installation.schema}`.`{table}` FROM '{installation.account}'@'%'"
        )
        if not any(ran.status in {1, 4} for ran in use_everything(installation)):
            needless.append((right, table))
        give(installation.server, installation.schema, installation.account, [(right, table)])
    assert needless == []


def use_everything(installation: Installation) -> Iterator[Ran]:
    """Each command is run only when it is asked for."""
    installation.server.execute(
        *(f"DELETE FROM {installation.schema}.sm_{t}" for t in ("incident", "outbox", "silence"))
    )
    installation.platform.unregister("A1")
    installation.platform.register("shop 1207", "A1")
    installation.announce(SHOP, 70)
    yield installation.run("silence", "add", "--device", "B1", "--for", "1h", "--reason", "r")
    yield installation.run("run-job", "devices")
    number = installation.server.execute(f"SELECT MAX(id) FROM {installation.schema}.sm_silence")[0][0]
    yield installation.run("silence", "remove", str(number or 0))
    installation.platform.unregister("A1")
    yield installation.run("run-job", "devices")
    yield installation.run("run-job", "history")


@pytest.mark.parametrize("job", ["devices", "history", "statistics", "export", "messages", "housekeeping"])
def test_any_job_can_be_run_once(installation, tmp_path, job):
    ran = installation.run("run-job", job, "--json", EXPORT_BUCKET=f"file://{tmp_path}/archive")
    assert (ran.status, ran.document["problems"]) == (0, [])
