"""Facts becomes a table partitioned by days of arrival: what is planned, what is refused, what then is true."""

import os
import shlex
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pymysql
import pytest
from pymysql.constants import ER

from servicemanager.errors import DatabaseBusy, DatabaseRefused
from servicemanager.iotdb.columns import COLUMNS
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.mysql import Login, open_mysql
from servicemanager.iotdb.partitioning import apply_partitions, plan_partitions
from servicemanager.iotdb.partitions import AHEAD_DAYS, count_in, extension, read_layout
from servicemanager.iotdb.upgrade import upgrade
from support.exports import days_ago
from support.iotdb import PLACEHOLDERS, ZONE, Row, facts_ddl, mysql_iotdb, reading
from support.partitions import partition, partition_of, planned

ON_SERVERS = pytest.mark.parametrize("iotdb", ["timestamp", "datetime", "datetime-unindexed"], indirect=True)
ON_ONE = pytest.mark.parametrize("iotdb", ["timestamp"], indirect=True)


def stored(iotdb, day: int, hour: int = 12) -> datetime:
    """That hour of the local day, as the column holds it."""
    utc = days_ago(day, hour)
    return iotdb.facts().time.to_stored(utc.replace(tzinfo=ZoneInfo("UTC")))


@ON_SERVERS
def test_each_local_day_gets_a_partition_and_every_row_stays(iotdb):
    iotdb.insert([reading(stored(iotdb, day, hour)) for day in (0, 1, 2, 9) for hour in (0, 12)] * 2)
    before = iotdb.rows()
    partition(iotdb)
    assert iotdb.rows() == before
    layout = read_layout(iotdb.database)
    assert layout.by_arrival
    assert len(layout.days) == 9 + 1 + AHEAD_DAYS
    counts = {day: count_in(iotdb.database, partition_of(iotdb, stored(iotdb, day))) for day in range(10)}
    assert counts == {day: 4 if day in {0, 1, 2, 9} else 0 for day in range(10)}
    assert count_in(iotdb.database, layout.partitions[0]) == count_in(iotdb.database, layout.partitions[-1]) == 0
    assert layout.until == stored(iotdb, -1 - AHEAD_DAYS, 0)
    assert planned(iotdb).statement == ""


@ON_ONE
def test_rows_older_than_three_months_get_into_the_first_partition(iotdb):
    iotdb.insert([reading(days_ago(400)), reading(days_ago(1))])
    assert any("1 rows are older than the first day" in notice for notice in planned(iotdb).notices)
    partition(iotdb)
    layout = read_layout(iotdb.database)
    assert count_in(iotdb.database, layout.partitions[0]) == 1
    assert 100 < len(layout.partitions) < 112


@ON_SERVERS
def test_a_plan_changes_nothing_and_says_what_the_change_costs(iotdb):
    iotdb.insert([reading(stored(iotdb, 1))] * 6000)
    iotdb.execute("ANALYZE TABLE Facts")
    plan = planned(iotdb, free=None)
    assert not read_layout(iotdb.database).by_arrival
    assert plan.statement.startswith("ALTER TABLE Facts PARTITION BY RANGE")
    assert 3000 < plan.rows < 9000
    assert plan.sampled == 6000
    assert 0 < plan.seconds < 60
    assert plan.bytes_needed > 100_000
    assert plan.bytes_free > 0, "the test's server is on this machine"
    assert plan.obstacles == ()


def test_days_that_have_come_near_get_partitions_of_their_own_also_after_the_zone_was_changed(
    mysql_server, mysql_database
):
    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl())
    partition(iotdb)
    facts, layout = iotdb.facts(), read_layout(iotdb.database)
    today = datetime.now(ZoneInfo(ZONE)).date()
    for days, zone in enumerate((ZONE, "UTC", "Asia/Tokyo", "America/Los_Angeles", ZONE), start=1):
        calendar = facts.calendar(ZoneInfo(zone))
        assert extension(facts, calendar, layout, today - timedelta(days=3)) is None
        clause = extension(facts, calendar, layout, today + timedelta(days=2 * days))
        iotdb.execute(f"ALTER TABLE Facts {clause}")
        longer = read_layout(iotdb.database)
        assert longer.partitions[: len(layout.days)] == layout.partitions[: len(layout.days)]
        assert facts.time.to_instant(longer.until, longer.until) == calendar.start_of(
            today + timedelta(days=2 * days + AHEAD_DAYS + 1)
        )
        lengths = [each.end - each.begin for each in longer.days]
        assert max(lengths) <= timedelta(hours=48)
        assert min(lengths) > timedelta(0)
        layout = longer
    iotdb.database.close()


@ON_ONE
def test_rows_that_got_into_the_last_partition_move_into_their_days_when_somebody_asks(iotdb):
    partition(iotdb)
    last = read_layout(iotdb.database).days[-1]
    iotdb.execute(f"ALTER TABLE Facts DROP PARTITION {last.name}")
    iotdb.insert([reading(last.begin)] * 3)
    plan = planned(iotdb)
    assert plan.rows == 3
    assert "REORGANIZE" in plan.statement
    partition(iotdb)
    assert count_in(iotdb.database, partition_of(iotdb, last.begin)) == 3
    assert count_in(iotdb.database, read_layout(iotdb.database).partitions[-1]) == 0


def refusals(iotdb, *statements: str, **options) -> str:
    if statements:
        iotdb.execute(*statements)
    plan = planned(iotdb, **options)
    with pytest.raises(DatabaseRefused):
        apply_partitions(iotdb.database, plan)
    return " ".join(plan.obstacles)


@ON_ONE
@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["ALTER TABLE Facts ADD COLUMN id INT AUTO_INCREMENT PRIMARY KEY"], "unique key (id) of Facts lacks"),
        (["ALTER TABLE Facts ADD UNIQUE (device, sensor)"], "unique key (device, sensor) of Facts lacks"),
        (
            [
                "CREATE TABLE Shop (name VARCHAR(20) PRIMARY KEY) CHARSET utf8mb4",
                "ALTER TABLE Facts ADD FOREIGN KEY (device_group) REFERENCES Shop (name)",
            ],
            "foreign key",
        ),
        (["ALTER TABLE Facts PARTITION BY KEY (device) PARTITIONS 3"], "partitioned otherwise"),
        (
            ["ALTER TABLE Facts PARTITION BY RANGE (UNIX_TIMESTAMP(creationDate)) (PARTITION a VALUES LESS THAN (9))"],
            "partitioned otherwise",
        ),
        (["ALTER TABLE Facts MODIFY creationDate TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)"], "parts of sec"),
    ],
)
def test_a_table_that_can_not_be_partitioned_so_is_refused_in_words(iotdb, statements, words):
    assert words in refusals(iotdb, *statements)
    assert not read_layout(iotdb.database).by_arrival


@ON_ONE
def test_a_disk_that_is_too_small_is_refused_before_anything_begins(iotdb):
    iotdb.insert([reading(days_ago(1))])
    assert "make room" in refusals(iotdb, free=0)


@pytest.mark.parametrize("iotdb", ["datetime"], indirect=True)
def test_rows_whose_date_is_none_are_refused_where_they_would_get_into_a_day(iotdb):
    iotdb.insert([reading(stored(iotdb, 40))])
    month = days_ago(0).replace(day=1)
    iotdb.execute(
        "SET sql_mode=''",
        "INSERT INTO Facts SELECT channel,year,month,day,week_day,hour,minute,second,device_group,device,sensor,data,"
        f"'{month:%Y-%m}-00' FROM Facts LIMIT 1",
        "INSERT INTO Facts SELECT channel,year,month,day,week_day,hour,minute,second,device_group,device,sensor,data,"
        "'0000-00-00' FROM Facts LIMIT 1",
    )
    plan = planned(iotdb)
    assert "1 rows have a creationDate that is no point in time" in " ".join(plan.obstacles)
    assert "2 rows have no date" in " ".join(plan.notices)


@pytest.mark.parametrize("iotdb", ["sqlite"], indirect=True)
def test_the_embedded_database_refuses_in_words(iotdb):
    assert "embedded database has no partitions" in " ".join(planned(iotdb).obstacles)


@ON_ONE
def test_a_transaction_in_the_way_is_named_and_nothing_is_changed(iotdb):
    iotdb.insert([reading(days_ago(1))])
    with closing(iotdb.server.connect(iotdb.login.database)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM Facts")
        with pytest.raises(DatabaseBusy, match=f"connection {other.thread_id()}.*KILL {other.thread_id()}"):
            partition(iotdb)
    assert not read_layout(iotdb.database).by_arrival
    partition(iotdb)


@ON_ONE
def test_each_missing_right_is_refused_with_its_grant(iotdb):
    user, name = f"part_{iotdb.login.database[-12:]}", iotdb.login.database
    upgrade(iotdb.database)
    everything = ["ALTER", "CREATE", "DELETE", "DROP", "INSERT", "LOCK TABLES", "SELECT"]
    iotdb.server.execute(f"CREATE USER {user} IDENTIFIED BY 'x'", f"GRANT ALL ON {name}.* TO {user}")
    database = open_mysql(Login(iotdb.login.hosts, user, name, "x"))
    for missing in [*everything, "UPDATE"]:
        iotdb.server.execute(f"REVOKE ALL ON {name}.* FROM {user}", f"GRANT SELECT ON {name}.Facts TO {user}")
        rest = ", ".join(right for right in everything if right != missing) + ", UPDATE" * (missing != "UPDATE")
        iotdb.server.execute(f"GRANT {rest} ON {name}.* TO {user}")
        database.close()
        facts = Facts.open(database, ZONE)
        obstacles = " ".join(plan_partitions(database, facts, facts.calendar(ZoneInfo(ZONE)), 1 << 50).obstacles)
        assert f"GRANT {', '.join(everything)} ON `{name}`.* TO '{user}'@'%';" in obstacles, missing
    iotdb.server.execute(f"GRANT {', '.join(everything)}, UPDATE ON {name}.* TO {user}")
    database.close()
    facts = Facts.open(database, ZONE)
    assert plan_partitions(database, facts, facts.calendar(ZoneInfo(ZONE)), 1 << 50).obstacles == ()
    database.close()
    iotdb.server.execute(f"DROP USER {user}")


def db_partition(iotdb, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environ = {"PATH": os.environ["PATH"], "TZ": ZONE, **iotdb.environ}
    command = [sys.executable, "-m", "servicemanager", "db", "partition", *arguments]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True)


@ON_ONE
def test_the_command_prints_its_plan_and_with_apply_does_it(iotdb, tmp_path):
    upgrade(iotdb.database)
    iotdb.insert([reading(days_ago(1))])

    call = partial(db_partition, iotdb, tmp_path)
    plan = call()
    assert plan.returncode == 0, plan.stderr
    assert "ALTER TABLE Facts PARTITION BY RANGE (UNIX_TIMESTAMP(creationDate))" in plan.stdout
    assert "every insert waits" in plan.stdout
    assert "pt-online-schema-change --alter" in plan.stdout
    assert "gh-ost --alter=" in plan.stdout
    assert "at the end of the second" in plan.stdout
    assert "Facts has none, so both refuse it" in plan.stdout
    refused = call("--free-gib", "0", "--json", "--apply")
    assert refused.returncode == 1
    assert '"applied": false' in refused.stdout
    assert call("--apply").returncode == 0
    assert read_layout(iotdb.database).by_arrival
    again = call("--apply")
    assert again.returncode == 0
    assert "already" in again.stdout


@ON_ONE
def test_pt_online_schema_change_does_it_by_the_printed_command_while_inserts_go_on(iotdb, tmp_path):
    upgrade(iotdb.database)
    iotdb.insert([reading(days_ago(day), data=n) for day in (0, 1, 2) for n in range(2_000)])
    iotdb.execute("ALTER TABLE Facts ADD COLUMN id BIGINT AUTO_INCREMENT, ADD PRIMARY KEY (id, creationDate)")
    printed = [line.strip() for line in db_partition(iotdb, tmp_path).stdout.splitlines()]
    (line,) = [line for line in printed if line.startswith("pt-online-schema-change")]
    words = [word.replace("u=ADMIN", "u=root") for word in shlex.split(line) if word != "--ask-pass"]
    new = reading(days_ago(0), device="new")
    before = iotdb.rows()
    with inserting(iotdb, new) as inserted:
        for way in ("--dry-run", "--execute"):
            command = [way if word == "--dry-run" else word for word in words]
            environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
            ran = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            assert inserted
    assert iotdb.rows() == before + Counter(inserted)
    assert read_layout(iotdb.database).by_arrival
    assert planned(iotdb).statement == ""


@contextmanager
def inserting(iotdb, row: Row) -> Iterator[list[Row]]:
    """One row after the other until the end; the list holds those that were inserted.

    As the guide says of whoever writes meanwhile, it tries again after a deadlock: an insert fires a trigger, and needs
    a second table, just when both tables change their names.
    """
    inserted, over = [], threading.Event()
    columns = f"{','.join(COLUMNS)}, creationDate"

    def insert() -> None:
        with closing(iotdb.server.connect(iotdb.login.database)) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone='+00:00'")
            while not over.wait(0.01):
                try:
                    cursor.execute(f"INSERT INTO Facts ({columns}) VALUES ({PLACEHOLDERS})", row)
                except pymysql.OperationalError as error:
                    if error.args[0] != ER.LOCK_DEADLOCK:
                        raise
                else:
                    inserted.append(row)

    thread = threading.Thread(target=insert)
    thread.start()
    try:
        yield inserted
    finally:
        over.set()
        thread.join()
