"""Partitions are kept ahead of time, and somebody is told when they run short."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import stamina

from servicemanager.housekeeping.job import HousekeepingJob
from servicemanager.iotdb.check import Grade, check
from servicemanager.iotdb.partition_ahead import Ahead, keep_ahead, look_ahead
from servicemanager.iotdb.partitions import AHEAD_DAYS, count_in, read_layout
from servicemanager.selfcare.figures import load, save
from servicemanager.selfcare.judge import judge
from servicemanager.service.selfcare import limits_of
from support.exports import run
from support.iotdb import ZONE, Iotdb, reading
from support.partitions import partition

pytestmark = pytest.mark.parametrize("iotdb", ["timestamp", "datetime"], indirect=True)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def impatient():
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


def housekeeping(iotdb: Iotdb):
    facts = iotdb.facts()
    return run(HousekeepingJob(iotdb.database, keep_ahead=lambda: keep_ahead(iotdb.database, facts, calendar(iotdb))))


def calendar(iotdb: Iotdb):
    return iotdb.facts().calendar(ZoneInfo(ZONE))


def shorten(iotdb: Iotdb, days: int) -> None:
    """As if the service had not run for so long."""
    names = ", ".join(each.name for each in read_layout(iotdb.database).days[-days:])
    iotdb.execute(f"ALTER TABLE Facts DROP PARTITION {names}")


def ahead(iotdb: Iotdb) -> Ahead:
    return look_ahead(iotdb.database, iotdb.facts())


def advice(iotdb: Iotdb) -> list[str]:
    found = check(iotdb.database, iotdb.facts(), datetime.now(UTC))
    return [finding.what for finding in found if finding.grade is Grade.ADVICE]


def test_housekeeping_adds_the_days_that_lack_a_partition(iotdb):
    assert housekeeping(iotdb).counts == {}
    partition(iotdb)
    full = ahead(iotdb)
    assert full.until == calendar(iotdb).start_of(calendar(iotdb).day_of(datetime.now(UTC)) + (AHEAD_DAYS + 1) * DAY)
    assert "partitions of Facts" not in advice(iotdb)
    shorten(iotdb, AHEAD_DAYS)
    assert "partitions of Facts" in advice(iotdb)
    assert housekeeping(iotdb).counts == {"partitions_added": AHEAD_DAYS}
    assert ahead(iotdb) == full
    assert housekeeping(iotdb).counts == {}


def test_some_rows_in_the_last_partition_move_into_their_days(iotdb):
    partition(iotdb)
    shorten(iotdb, 2)
    until = read_layout(iotdb.database).until
    iotdb.insert([reading(until + timedelta(hours=hour)) for hour in (1, 30, 2000)])
    assert ahead(iotdb).rows_beyond == 3
    assert "partitions of Facts" in advice(iotdb)
    housekeeping(iotdb)
    layout = read_layout(iotdb.database)
    assert [count_in(iotdb.database, each) for each in layout.partitions[-3:]] == [1, 1, 1]
    assert ahead(iotdb).rows_beyond == 1, "the one of a clock that is ahead"


def test_many_rows_in_the_last_partition_are_left_to_a_person(iotdb):
    partition(iotdb)
    shorten(iotdb, 2)
    iotdb.insert([reading(read_layout(iotdb.database).until)] * 10_001)
    (notice,) = housekeeping(iotdb).notices
    assert "db partition --apply" in notice
    partition(iotdb)
    assert ahead(iotdb).rows_beyond == 0


def test_a_transaction_in_the_way_is_named_and_the_next_run_adds_them(iotdb):
    partition(iotdb)
    shorten(iotdb, 1)
    with closing(iotdb.server.connect(iotdb.login.database)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT COUNT(*) FROM Facts")
        (notice,) = housekeeping(iotdb).notices
        assert f"KILL {other.thread_id()}" in notice
    assert housekeeping(iotdb).counts == {"partitions_added": 1}


def test_an_incident_opens_when_partitions_run_short(iotdb):
    from servicemanager.config import Settings
    from servicemanager.selfcare.figures import Figures

    now = datetime.now(UTC)
    partition(iotdb)
    figures = Figures(now, None, None, None, None, None, 0, None, "box", None)

    def subjects() -> list[tuple[str, str]]:
        found = ahead(iotdb)
        looked = replace(figures, partitions_until=found.until, rows_beyond=found.rows_beyond)
        with iotdb.database.transaction() as tx:
            save(tx, looked)
            assert load(tx) == looked
        return [(finding.subject, finding.title) for finding in judge(looked, [], limits_of(Settings()))]

    assert subjects() == []
    shorten(iotdb, AHEAD_DAYS - 1)
    assert subjects() == [("selfcare:partitions", "partitions run short")]
    iotdb.insert([reading(read_layout(iotdb.database).until)])
    assert subjects() == [("selfcare:partitions", "readings get into the last partition")]
