"""Too many rows at once: a million within a second, and days that are too big without an index."""

from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow.compute as pc
import pytest

from servicemanager.export.plan import Bounds, Cut, Hold, cut
from support.exports import archived_tables, days_ago
from support.iotdb import ZONE as ZONE_NAME
from support.iotdb import Iotdb, reading
from support.sites import Site, old_rows

ZONE = ZoneInfo(ZONE_NAME)
MILLION = 1_000_000
DIGITS = " UNION ALL SELECT ".join(f"{n} AS n" if n == 0 else str(n) for n in range(10))


def insert_a_million(site: Site) -> None:
    """All of them arrive within one second; `data` counts them."""
    digits = ", ".join(f"(SELECT {DIGITS}) AS d{place}" for place in range(6))
    number = " + ".join(f"d{place}.n * {10**place}" for place in range(6))
    device = "CONCAT('AA:BB:CC:00:', LPAD(n % 5000, 6, '0'))"
    site.iotdb.server.execute(
        f"""INSERT INTO Facts SELECT 'weight', 2026, 11, 20, 6, 12, 0, 0, CONCAT('shop ', n % 750), {device}, n % 3, n,
            '{days_ago(2)}' FROM (SELECT {number} AS n FROM {digits}) AS numbers""",
        database=site.environ["MYSQL_DATABASE"],
    )


def test_a_million_rows_within_one_second_are_archived_and_purged_in_bounded_memory(site):
    insert_a_million(site)
    running = site.start()
    peak = running.peak_mib()
    ran = running.wait()
    assert (ran.status, ran.sentences) == (0, [])
    assert peak < 400
    assert site.iotdb.rows() == Counter()
    found = [table["data"] for _, table in archived_tables(site.store)]
    assert sum(map(len, found)) == MILLION
    assert sum(pc.sum(numbers).as_py() for numbers in found) == MILLION * (MILLION - 1) // 2
    assert sum(pc.count_distinct(numbers).as_py() for numbers in found) == MILLION


def cut_days(iotdb: Iotdb, step: timedelta, **bounds: int) -> Cut:
    """The windows of everything before today, as if it were many rows."""
    facts = iotdb.facts()
    calendar = facts.calendar(ZONE)
    cutoff = calendar.start_of(datetime.now(ZONE).date())
    buckets = facts.counts(None, cutoff, step)
    return cut(buckets, [], calendar, Bounds(facts.shape.indexed, cutoff, **bounds), final=True)


@pytest.mark.parametrize("iotdb", ["timestamp-unindexed", "datetime-unindexed"], indirect=True)
def test_without_an_index_a_day_above_the_bound_is_held_back_with_the_advice_to_add_one(iotdb):
    iotdb.insert(old_rows(each=30) + [reading(days_ago(2))] * 21)
    found = cut_days(iotdb, timedelta(minutes=15), day_rows=50)
    assert [planned.rows for planned in found.windows] == [30, 30]
    (held,) = found.held
    assert (held.what, held.rows) == (f"day {days_ago(2).date()}", 51)
    assert held.reason is Hold.DAY_TOO_BIG
    assert "CREATE INDEX facts_creation ON Facts (creationDate)" in held.reason


@pytest.mark.parametrize("iotdb", ["timestamp", "datetime"], indirect=True)
def test_a_second_above_the_bound_is_held_back_and_its_neighbours_are_not(iotdb):
    iotdb.insert(old_rows(each=30) + [reading(days_ago(2, 15))] * 21)
    found = cut_days(iotdb, timedelta(seconds=1), window_rows=20, second_rows=20)
    assert sum(planned.rows for planned in found.windows) == 90
    (held,) = found.held
    assert (held.what[:6], held.rows, held.reason) == ("second", 21, Hold.SECOND_TOO_BIG)
