"""Exports that may do only so much in a second, and only within certain hours."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from servicemanager.config.hours import Hours
from support.exports import archived_rows, days_ago, make_job, run
from support.iotdb import ZONE, reading

DAYS, EACH = 3, 1500
#: Too few for whole windows to be touched at once.
PACE = 3000


@pytest.fixture
def rows(iotdb) -> Counter:
    """Old readings, unevenly over each day, and none of today's."""
    made = [
        reading(days_ago(day, hour) + timedelta(seconds=n), device=f"board {n % 5}", data=n % 7)
        for day in range(1, DAYS + 1)
        for hour, number in ((3, EACH // 3), (17, EACH - EACH // 3))
        for n in range(number)
    ]
    iotdb.insert(made)
    return Counter(made)


def hours_around(now: datetime, *, hold: bool) -> Hours:
    """Hours that hold at the moment, or do not."""
    local = now.astimezone(ZoneInfo(ZONE)).replace(second=0, microsecond=0)
    start, end = (local - timedelta(hours=2), local + timedelta(hours=2))
    return Hours(start.time(), end.time()) if hold else Hours(end.time(), start.time())


def test_a_throttled_export_archives_and_deletes_the_same_at_no_more_than_its_pace(iotdb, store, staging, rows):
    began = time.monotonic()
    result = run(make_job(iotdb, store, staging, max_rows_per_second=PACE))
    took = time.monotonic() - began
    assert result.problems == ()
    assert archived_rows(store) == rows
    assert iotdb.rows() == Counter()
    assert result.counts["rows_purged"] == rows.total()
    # The last piece need not be waited for, nor be as large as the others.
    assert took >= (rows.total() - EACH) / PACE


class Leap:
    """Stands still until it has been asked so often; then it is a day later."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self) -> float:
        self.after -= 1
        return 0.0 if self.after >= 0 else 86_400.0


@pytest.mark.parametrize("after", [1, 3, 5])
def test_at_the_end_of_its_hours_an_export_stops_and_the_next_goes_on(iotdb, store, staging, rows, after):
    hours = hours_around(datetime.now(UTC), hold=True)
    result = run(make_job(iotdb, store, staging, slice_rows=100, hours=hours, clock=Leap(after)))
    assert result.problems == ()
    assert "hours of export.window are over" in result.notices[-1]
    assert 0 < result.counts["rows_left"] <= rows.total()
    archived = archived_rows(store)
    assert iotdb.rows() + archived >= rows, "a reading is lost"
    assert archived <= rows, "a reading is doubled"
    assert list(staging.iterdir()) == []
    assert run(make_job(iotdb, store, staging, slice_rows=100)).problems == ()
    assert (archived_rows(store), iotdb.rows()) == (rows, Counter())


def test_outside_of_its_hours_an_export_does_nothing_and_says_when_it_will(iotdb, store, staging, rows):
    job = make_job(iotdb, store, staging, hours=hours_around(datetime.now(UTC), hold=False))
    plan = job.plan()
    assert plan.pace.opens_at
    assert plan.pace.opens_at > datetime.now(UTC)
    result = run(job)
    assert result.problems == ()
    assert result.counts == {"rows_left": rows.total()}
    assert "export --now" in result.notices[-1]
    assert iotdb.rows() == rows
    assert archived_rows(store) == Counter()
