"""Windows and local days: every instant lies in exactly one day of any zone, whatever its clocks have done."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servicemanager.iotdb.stored import WallTime, snap
from servicemanager.iotdb.window import (
    SECOND,
    Calendar,
    Window,
    compact,
    end_of_gap,
    from_epoch,
    in_gap,
    parse_compact,
    to_epoch,
)

ZONES = [
    "UTC",
    "Africa/Monrovia",  # 44 minutes and 30 seconds behind until 1972-01-07
    "America/Havana",  # skips and repeats the first hour of a day
    "America/Sao_Paulo",  # skipped midnight, repeated the last hour of a day
    "America/St_Johns",  # changed at 00:01 until 2011
    "Asia/Kathmandu",  # a quarter of an hour at midnight of 1986
    "Australia/Lord_Howe",  # changes by half an hour
    "Europe/Lisbon",
    "Pacific/Apia",  # had no 30th of December in 2011
    "Pacific/Kiritimati",
]
#: Local days around which clocks of one of the zones were changed.
CHANGES = [
    date(1972, 1, 7), date(1986, 1, 1), date(1995, 1, 1), date(2010, 3, 14), date(2010, 11, 7), date(2011, 12, 30),
    date(2012, 3, 11), date(2018, 2, 18), date(2018, 11, 4), date(2026, 3, 29), date(2026, 10, 25),
]  # fmt: skip
MIDNIGHT_GAP = datetime(2018, 11, 4, 3, tzinfo=UTC)

zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(1970, 1, 2), date(2037, 12, 1)) | st.builds(
    lambda change, shift: change + timedelta(days=shift), st.sampled_from(CHANGES), st.integers(-2, 2)
)
instants = st.builds(
    lambda day, second: datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=second),
    days,
    st.integers(-86_400, 2 * 86_400),
)


@st.composite
def calendars(draw) -> Calendar:
    """Days of one zone, over instants or over the wall times of another zone."""
    zone, wall = draw(zones), draw(st.none() | zones)
    return Calendar(zone) if wall is None else Calendar(zone, lambda instant: snap(WallTime(wall), instant))


@given(calendars(), days)
def test_days_tile_time(calendar, day):
    assert calendar.day(day).end_at == calendar.day(day + timedelta(days=1)).start_at
    assert calendar.day(day).start_at <= calendar.day(day).end_at


@given(calendars(), instants)
def test_every_instant_lies_in_its_day(calendar, instant):
    assert instant in calendar.day(calendar.day_of(instant))


@given(zones, days)
def test_a_day_begins_at_the_first_instant_of_its_date(zone, day):
    start_at = Calendar(zone).start_of(day)
    before = (start_at - SECOND).astimezone(zone).date()
    assert before < day <= start_at.astimezone(zone).date()


@given(calendars(), instants, st.integers(0, 4 * 86_400))
def test_the_days_of_a_span_cover_it_without_a_gap(calendar, start_at, seconds):
    span = Window(start_at, start_at + timedelta(seconds=seconds))
    found = list(calendar.days(span))
    assert [window for _, window in found] == [calendar.day(day) for day, _ in found]
    assert all(a.end_at == b.start_at for (_, a), (_, b) in pairwise(found))
    if seconds:
        assert Window(found[0][1].start_at, found[-1][1].end_at).covers(span)
        assert start_at < found[0][1].end_at
        assert found[-1][1].start_at < span.end_at


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("UTC", date(2026, 11, 20), "20261120T000000Z", 24),
        ("America/Sao_Paulo", date(2018, 11, 3), "20181103T030000Z", 24),
        ("America/Sao_Paulo", date(2018, 11, 4), "20181104T030000Z", 23),  # begins at 01:00
        ("America/Sao_Paulo", date(2018, 2, 17), "20180217T020000Z", 25),  # ends after a second 23:59
        ("America/Havana", date(2026, 3, 8), "20260308T050000Z", 23),  # begins at 01:00
        ("America/Havana", date(2026, 11, 1), "20261101T040000Z", 25),  # has two midnights
        ("America/St_Johns", date(2010, 3, 14), "20100314T033000Z", 23),  # 00:00:59 is followed by 01:01
        ("America/St_Johns", date(2010, 11, 7), "20101107T023000Z", 25),  # 00:00:59 is followed by 23:01
        ("Australia/Lord_Howe", date(2026, 4, 5), "20260404T130000Z", 24.5),
        ("Asia/Kathmandu", date(1986, 1, 1), "19851231T183000Z", 23.75),  # begins at 00:15
        ("Pacific/Apia", date(2011, 12, 29), "20111229T100000Z", 24),
        ("Pacific/Apia", date(2011, 12, 30), "20111230T100000Z", 0),
        ("Pacific/Apia", date(2011, 12, 31), "20111230T100000Z", 24),
        ("Africa/Monrovia", date(1972, 1, 7), "19720107T004430Z", 24 - 2670 / 3600),
        ("Europe/Lisbon", date(2026, 10, 25), "20261024T230000Z", 25),
    ],
)
def test_days_whose_clocks_were_changed(zone, day, start, hours):
    window = Calendar(ZoneInfo(zone)).day(day)
    assert (compact(window.start_at), window.duration / timedelta(hours=1)) == (start, hours)


def test_a_repeated_minute_around_midnight_belongs_to_the_day_that_has_begun():
    calendar = Calendar(ZoneInfo("America/St_Johns"))
    second_pass = datetime(2010, 11, 7, 2, 45, tzinfo=UTC)
    assert second_pass.astimezone(calendar.zone).date() == date(2010, 11, 6)
    assert calendar.day_of(second_pass) == date(2010, 11, 7)


@given(calendars(), instants, st.integers(1, 400))
def test_the_cutoff_is_the_midnight_of_as_many_days_ago_as_are_kept(calendar, now, kept):
    cutoff = calendar.cutoff(now, kept)
    assert cutoff <= now
    assert calendar.day(calendar.day_of(now) - timedelta(days=kept - 1)).start_at == cutoff


def test_a_gap_ends_where_the_clock_goes_on():
    zone = ZoneInfo("America/Sao_Paulo")
    assert in_gap(datetime(2018, 11, 4, 0, 30, tzinfo=zone))
    assert not in_gap(datetime(2018, 11, 4, 1, 0, tzinfo=zone))
    assert not in_gap(datetime(2018, 2, 17, 23, 30, tzinfo=zone, fold=1))
    assert {end_of_gap(MIDNIGHT_GAP + timedelta(hours=h), zone) for h in range(-23, 24)} == {MIDNIGHT_GAP}


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones))
@example(datetime(999, 6, 1, 10, tzinfo=UTC))
def test_names_of_instants_can_be_read_back_and_sort_by_time(instant):
    instant = instant.astimezone(UTC).replace(microsecond=0)
    name = compact(instant)
    assert len(name) == 16
    assert parse_compact(name) == instant
    assert name < compact(instant + SECOND)


@given(st.integers(-62_135_000_000, 253_402_000_000), st.integers(0, 999_999))
def test_epoch_seconds_are_rounded_down(seconds, micros):
    assert to_epoch(from_epoch(seconds) + timedelta(microseconds=micros)) == seconds


@st.composite
def windows(draw) -> Window:
    start, length = draw(st.integers(0, 20)), draw(st.integers(1, 10))
    return Window(from_epoch(start), from_epoch(start + length))


@given(windows(), windows())
def test_windows_overlap_where_an_instant_lies_in_both(a, b):
    shared = [s for s in range(40) if from_epoch(s) in a and from_epoch(s) in b]
    assert a.overlaps(b) == b.overlaps(a) == bool(shared)
    assert a.covers(b) == all(from_epoch(s) in a for s in range(40) if from_epoch(s) in b)
    assert (len(shared) == b.duration // SECOND) == a.covers(b)
