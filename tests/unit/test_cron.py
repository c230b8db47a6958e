"""Patterns fire as Debian's cron fires them, held against a calculation that goes minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.scheduler.cron import Schedule

MINUTE = timedelta(minutes=1)
#: Nights of the change; Brazil's, while it had any, were at midnight.
NIGHTS = (
    ("Europe/Berlin", "2026-03-28"),
    ("Europe/Berlin", "2026-10-24"),
    ("America/New_York", "2026-03-07"),
    ("America/New_York", "2026-10-31"),
    ("Australia/Adelaide", "2026-04-04"),
    ("Australia/Adelaide", "2026-10-03"),
    ("America/Sao_Paulo", "2018-11-03"),
    ("America/Sao_Paulo", "2018-02-17"),
    ("Asia/Kolkata", "2026-03-28"),
    ("UTC", "2026-03-28"),
)
PATTERNS = (
    "30 2 * * *",
    "30 1 * * *",
    "0 0 * * *",
    "15,45 1-3 * * *",
    "0 2 29 2 *",
    "0 3 31 * *",
    "*/10 * * * *",
    "5 * * * *",
    "* 2 * * *",
    "0 12 * * 1-5",
    "0 4 13 * 5",
    "0 6 */2 * 0",
    "59 23 28-31 * *",
)


@cache
def numbers(field: str, low: int, high: int) -> set[int]:
    """The numbers that a field stands for."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("*" if span == "*" else span).partition("-")
        begin, end = (low, high) if first == "*" else (int(first), int(last or first))
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def matches(pattern: str, local: datetime) -> bool:
    minute, hour, day, month, weekday = pattern.split()
    on_day = local.day in numbers(day, 1, 31)
    on_weekday = local.isoweekday() % 7 in {number % 7 for number in numbers(weekday, 0, 7)}
    either = not (day.startswith("*") or weekday.startswith("*"))
    return (
        local.minute in numbers(minute, 0, 59)
        and local.hour in numbers(hour, 0, 23)
        and local.month in numbers(month, 1, 12)
        and ((on_day or on_weekday) if either else (on_day and on_weekday))
    )


def firings(pattern: str, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Every firing after `begin` and until `end`, by walking along the real minutes."""
    by_elapsed_time = pattern.startswith("*") or pattern.split()[1].startswith("*")
    at = begin
    while at < end:
        before, at = at.astimezone(zone).replace(tzinfo=None), at + MINUTE
        local = at.astimezone(zone)
        wall = local.replace(tzinfo=None, fold=0)
        if by_elapsed_time:
            fires = matches(pattern, wall)
        else:
            # What the clock jumped over is made up for at the first minute after; what it repeats is left out.
            skipped = (before + MINUTE * n for n in range(1, int((wall - before) / MINUTE)))
            fires = (not local.fold and matches(pattern, wall)) or any(matches(pattern, wall) for wall in skipped)
        if fires:
            yield at


@pytest.mark.parametrize(("zone", "begin"), NIGHTS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_firings_around_the_nights_of_the_change_are_the_independent_ones(pattern, zone, begin):
    start = datetime.fromisoformat(begin).replace(tzinfo=UTC)
    end = start + timedelta(days=2)
    schedule = Schedule(pattern, ZoneInfo(zone))
    expected = list(firings(pattern, ZoneInfo(zone), start, end))
    found, at = [], start
    while (at := schedule.next_after(at)) and at <= end:
        found.append(at)
    assert found == expected
    assert all(schedule.last_until(firing) == firing for firing in expected)
    assert all(schedule.last_until(firing - MINUTE / 2) != firing for firing in expected)


@pytest.mark.parametrize(("begin", "days"), [("2024-02-27", 4), ("2027-02-26", 5), ("2026-12-30", 4)])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_month_ends_and_leap_days_are_the_independent_ones(pattern, begin, days):
    zone = ZoneInfo("America/Sao_Paulo")
    start = datetime.fromisoformat(begin).replace(tzinfo=UTC)
    end = start + timedelta(days=days)
    expected, schedule = list(firings(pattern, zone, start, end)), Schedule(pattern, zone)
    found, at = [], start
    while (at := schedule.next_after(at)) and at <= end:
        found.append(at)
    assert found == expected


@given(
    st.sampled_from(PATTERNS),
    st.sampled_from([zone for zone, _ in NIGHTS]),
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC)),
)
def test_looking_back_finds_what_looking_ahead_promised(pattern, zone, at):
    schedule = Schedule(pattern, ZoneInfo(zone))
    upcoming = schedule.next_after(at)
    assert upcoming
    assert upcoming > at
    assert schedule.last_until(upcoming) == upcoming
    before = schedule.last_until(at)
    assert before
    assert before <= at
    assert schedule.next_after(before) == upcoming


def test_the_period_of_a_pattern_for_working_days_is_the_weekend():
    schedule = Schedule("0 2 * * 1-5", ZoneInfo("America/Sao_Paulo"))
    assert schedule.period_at(datetime(2026, 11, 25, 12, tzinfo=UTC)) == timedelta(days=3)
    assert Schedule("*/10 * * * *", ZoneInfo("UTC")).period_at(datetime(2026, 1, 1, tzinfo=UTC)) == MINUTE * 10
