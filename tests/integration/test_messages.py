"""Messages: what is due is deleted and counted, and nothing else; a deposed run deletes nothing more."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from servicemanager.errors import DatabaseRefused, LeaseLost, Stopped
from servicemanager.iotdb.messages import Kind
from servicemanager.iotdb.upgrade import upgrade
from servicemanager.jobs.job import Silence
from servicemanager.jobs.runner import Runner
from servicemanager.service import Service
from support.exports import run
from support.iotdb import facts_ddl, mysql_iotdb, sqlite_iotdb
from support.messages import MESSAGES, make_cleanup

NOW = datetime.now(UTC).replace(microsecond=0, tzinfo=None)


@pytest.fixture(params=["sqlite", "mariadb"])
def iotdb(request, tmp_path):
    if request.param == "sqlite":
        made = sqlite_iotdb(tmp_path / "iotdb.sqlite")
    else:
        name = request.getfixturevalue("mysql_database")
        made = mysql_iotdb(request.getfixturevalue("mysql_server"), name, facts_ddl())
        made.execute(*MESSAGES[:2])
    upgrade(made.database)
    made.execute("INSERT INTO Registration (device, device_group) VALUES ('a', 'shop 1'), ('b', 'shop 2'), ('c', NULL)")
    yield made
    made.database.close()


def put(iotdb, device: str, delivery: str, *, read: int | None, came: int = 100, number: int = 1) -> None:
    """Messages that came, and were read, so many days ago."""
    stamps = [f"'{NOW - timedelta(days=days)}'" if days is not None else "NULL" for days in (read, came)]
    row = f"('{device}', 'x', '{delivery}', '{device} {delivery} {read} {came}', {','.join(stamps)})"
    columns = "device, sender, delivery_type, message, readDate, creationDate"
    iotdb.execute(f"INSERT INTO Messages ({columns}) VALUES {','.join([row] * number)}")


def left(iotdb) -> Counter:
    return Counter(text for (text,) in iotdb.execute("SELECT message FROM Messages"))


def fill(iotdb) -> None:
    put(iotdb, "a", "TRANSIENT", read=8, number=7)
    put(iotdb, "b", "TRANSIENT", read=30, number=2)
    put(iotdb, "stranger", "TRANSIENT", read=9)
    put(iotdb, "a", "TRANSIENT", read=6, number=4)
    put(iotdb, "c", "TRANSIENT", read=None, came=50, number=3)
    put(iotdb, "a", "TRANSIENT", read=None, came=20)
    put(iotdb, "a", "PERSISTENT", read=90, number=2)
    put(iotdb, "a", "PERSISTENT", read=None, came=90)


def test_only_messages_that_were_read_long_enough_ago_go_and_are_counted_by_group(iotdb):
    fill(iotdb)
    before = left(iotdb)
    counts = run(make_cleanup(iotdb)).counts
    assert counts == {"read": 10, "read, shop 1": 7, "read, shop 2": 2, "read, (no group)": 1}
    gone = {"a TRANSIENT 8 100": 7, "b TRANSIENT 30 100": 2, "stranger TRANSIENT 9 100": 1}
    assert before - left(iotdb) == gone
    assert run(make_cleanup(iotdb)).counts == {}


def test_unread_messages_go_only_where_a_setting_says_so_and_are_announced_by_group(iotdb):
    fill(iotdb)
    result = run(make_cleanup(iotdb, unread=timedelta(days=30)))
    assert result.counts["unread"] == 3
    assert result.notices == ("3 messages expire unread, by group: (no group) 3.",)
    assert left(iotdb)["a TRANSIENT None 20"] == 1


def test_persistent_messages_go_only_where_a_setting_says_so_and_never_unread_ones(iotdb):
    fill(iotdb)
    assert run(make_cleanup(iotdb, persistent=True)).counts["persistent"] == 2
    assert left(iotdb)["a PERSISTENT None 90"] == 1


def test_a_dry_run_tells_what_the_run_then_deletes(iotdb):
    fill(iotdb)
    before, job = left(iotdb), make_cleanup(iotdb, unread=timedelta(days=30))
    plan = {due.rule.kind: due.by_group for due in job.plan()}
    assert left(iotdb) == before
    assert plan == {Kind.READ: {"shop 1": 7, "shop 2": 2, "": 1}, Kind.UNREAD: {"": 3}}
    assert run(job).counts["read"] == plan[Kind.READ].total()


def test_a_run_that_was_deposed_deletes_nothing_more(iotdb):
    fill(iotdb)

    class Deposing(Silence):
        def advance(self, phase, rows):
            iotdb.execute("UPDATE sm_fence SET term = term + 1 WHERE name = 'job:messages'")

    with pytest.raises(LeaseLost):
        Runner(iotdb.database, timedelta(seconds=15), Deposing(), threading.Event()).run(make_cleanup(iotdb))
    assert left(iotdb).total() == 21 - 3


def test_messages_that_somebody_else_deletes_meanwhile_are_not_counted_as_deleted(iotdb):
    fill(iotdb)

    class Deleting(Silence):
        def advance(self, phase, rows):
            iotdb.execute("DELETE FROM Messages WHERE message = 'stranger TRANSIENT 9 100'")

    result = Runner(iotdb.database, timedelta(seconds=15), Deleting(), threading.Event()).run(make_cleanup(iotdb))
    assert result.counts["read"] == 9
    assert [notice.split(":")[0] for notice in result.notices] == [
        "Of 10 messages that were counted by group 9 were deleted"
    ]
    assert left(iotdb).total() == 21 - 10


@pytest.mark.parametrize("gap", [1, 1_000_000])
def test_chunks_are_small_and_few_however_far_apart_the_numbers_of_messages_are(iotdb, gap):
    put(iotdb, "a", "TRANSIENT", read=8, number=10)
    iotdb.execute(f"UPDATE Messages SET ID = ID * {gap}")
    chunks = []

    class Counting(Silence):
        def advance(self, phase, rows):
            chunks.append(rows)

    job = make_cleanup(iotdb)
    assert Runner(iotdb.database, timedelta(seconds=15), Counting(), threading.Event()).run(job).counts["read"] == 10
    assert chunks == [3, 3, 3, 1]


def test_a_run_that_is_asked_to_stop_ends_where_its_counts_by_group_are_true(iotdb):
    fill(iotdb)
    put(iotdb, "b", "TRANSIENT", read=30, number=40)
    stop = threading.Event()

    class Stopping(Silence):
        def advance(self, phase, rows):
            stop.set()

    with pytest.raises(Stopped):
        Runner(iotdb.database, timedelta(seconds=15), Stopping(), stop).run(make_cleanup(iotdb))
    (record,) = iotdb.execute("SELECT counts FROM sm_job_run")[0]
    counts = json.loads(record)
    assert counts.pop("read") == sum(counts.values()) == 61 - left(iotdb).total() == 30


@pytest.mark.parametrize(
    ("variables", "zone"),
    [({"TZ": "UTC", "MYSQL_DATETIMEZONE": "Asia/Kathmandu"}, "Asia/Kathmandu"), ({"TZ": "Asia/Tokyo"}, "Asia/Tokyo")],
    ids=["the zone of the columns", "the zone of everything"],
)
def test_datetime_columns_are_read_in_the_zone_that_the_settings_name(mysql_server, mysql_database, variables, zone):
    """Read in another zone, hours away, the younger messages would go too, or the older ones stay."""
    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl())
    iotdb.execute(*(statement.replace("TIMESTAMP", "DATETIME", 2) for statement in MESSAGES[:2]))
    now = datetime.now(ZoneInfo(zone)).replace(microsecond=0, tzinfo=None)
    values = []
    for text, age in (("old", timedelta(days=7, minutes=5)), ("young", timedelta(days=7, minutes=-5))):
        values += [f"('TRANSIENT', 'read, {text}', '{now - age}', '{now - age}')"]
        values += [f"('TRANSIENT', 'unread, {text}', NULL, '{now - age}')"]
    iotdb.execute(f"INSERT INTO Messages (delivery_type, message, readDate, creationDate) VALUES {','.join(values)}")
    service = Service.configure({**iotdb.environ, **variables, "MESSAGES_UNREADDAYS": "7"})
    database = service.database()
    try:
        run(service.messages_job(database))
        assert left(iotdb) == Counter(["read, young", "unread, young"])
    finally:
        database.close()
        iotdb.database.close()


def test_a_missing_table_is_said_in_words(iotdb):
    iotdb.execute("DROP TABLE Messages")
    with pytest.raises(DatabaseRefused, match="There is no table Messages"):
        make_cleanup(iotdb)
