"""creationDate as stored and as an instant: a range of the one is a range of the other, in every zone and night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servicemanager.iotdb.stored import UtcTime, WallTime, snap, stored_micros
from servicemanager.iotdb.window import SECOND, Window
from support.rows import SECOND_US, micros, moment

ZONES = [
    "UTC",
    "Africa/Monrovia",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/Lisbon",
    "Pacific/Apia",
]
#: Wall times near which the clocks of one of the zones were changed.
CHANGES = [
    datetime(1972, 1, 7), datetime(1986, 1, 1), datetime(2010, 3, 14), datetime(2010, 11, 7), datetime(2011, 12, 30),
    datetime(2018, 2, 17, 23), datetime(2018, 11, 4), datetime(2026, 3, 8), datetime(2026, 3, 29, 1),
    datetime(2026, 4, 5, 2), datetime(2026, 10, 4, 2), datetime(2026, 10, 25, 1), datetime(2026, 11, 1),
]  # fmt: skip
#: The clock went on from 00:44:30.
GAP_WITHIN_A_MINUTE = datetime(1972, 1, 7, 0, 44, 40, tzinfo=UTC)
SAO_PAULO = WallTime(ZoneInfo("America/Sao_Paulo"))

near_changes = st.builds(
    lambda change, seconds: change + timedelta(seconds=seconds), st.sampled_from(CHANGES), st.integers(-9000, 9000)
)
walls = near_changes | st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1)).map(
    lambda wall: wall.replace(microsecond=0)
)
instants = walls.map(lambda wall: wall.replace(tzinfo=UTC)) | st.builds(
    lambda wall, hours: wall.replace(tzinfo=UTC) + timedelta(hours=hours), near_changes, st.integers(-15, 15)
)
times = st.sampled_from(ZONES).map(lambda name: WallTime(ZoneInfo(name))) | st.just(UtcTime())


def to_utc(time, *stored: datetime) -> list[datetime]:
    """The instants of stored times."""
    found = time.to_utc(np.array([micros(value) for value in stored], np.int64))
    return [moment(int(us)).replace(tzinfo=UTC) for us in found]


@given(times, st.lists(st.builds(lambda w, us: w + timedelta(microseconds=us), walls, st.integers(0, 999_999))))
def test_what_was_stored_later_is_no_earlier_instant(time, stored):
    found = to_utc(time, *sorted(stored))
    assert found == sorted(found)


@given(times, instants, walls)
@example(WallTime(ZoneInfo("Africa/Monrovia")), GAP_WITHIN_A_MINUTE, datetime(1972, 1, 7, 0, 44, 45))
def test_rows_before_a_cut_are_instants_before_that_cut(time, instant, stored):
    """The invariant of every window: in SQL it is a range of stored times, in the archive one of instants."""
    at = snap(time, instant)
    assert (stored < time.to_stored(at)) == (to_utc(time, stored)[0] < at)


@given(times, instants)
def test_a_cut_is_never_later_than_what_was_asked_for_and_stays_where_it_is(time, instant):
    at = snap(time, instant)
    assert at <= instant
    assert instant - at <= timedelta(hours=25)
    assert snap(time, at) == at


@given(times, instants, instants)
def test_a_window_between_cuts_comes_back_from_its_stored_times(time, a, b):
    start_at, end_at = sorted((snap(time, a), snap(time, b)))
    if start_at < end_at:
        assert time.to_window(time.to_stored(start_at), time.to_stored(end_at)) == Window(start_at, end_at)


@given(times, walls, st.integers(1, 7200))
def test_windows_are_never_empty_and_hold_their_rows(time, begin, seconds):
    window = time.to_window(begin, begin + timedelta(seconds=seconds))
    assert window.start_at < window.end_at
    assert to_utc(time, begin)[0] < window.end_at
    one_second = time.to_window(begin, begin + SECOND)
    assert to_utc(time, begin)[0] in one_second


@given(times, instants)
def test_the_time_of_a_row_survives_where_its_clock_was_unambiguous(time, instant):
    stored = time.to_stored(instant)
    found = to_utc(time, stored)[0]
    assert time.to_stored(found) == stored
    assert found <= instant  # of two passes of an hour the first


@pytest.mark.parametrize(
    ("stored", "instant"),
    [
        # 2018-11-04 began at 01:00; what says it arrived in the skipped hour did so just before it.
        (datetime(2018, 11, 3, 23, 59, 59), datetime(2018, 11, 4, 2, 59, 59)),
        (datetime(2018, 11, 4, 0, 0, 0), datetime(2018, 11, 4, 2, 59, 59, 999_999)),
        (datetime(2018, 11, 4, 0, 59, 59), datetime(2018, 11, 4, 2, 59, 59, 999_999)),
        (datetime(2018, 11, 4, 1, 0, 0), datetime(2018, 11, 4, 3, 0, 0)),
        # 2018-02-17 had its last hour twice; what arrived in it is taken for the first.
        (datetime(2018, 2, 17, 23, 0, 0), datetime(2018, 2, 18, 1, 0, 0)),
        (datetime(2018, 2, 17, 23, 59, 59, 999_999), datetime(2018, 2, 18, 1, 59, 59, 999_999)),
        (datetime(2018, 2, 18, 0, 0, 0), datetime(2018, 2, 18, 3, 0, 0)),
    ],
)
def test_the_two_nights_in_which_clocks_are_changed(stored, instant):
    assert to_utc(SAO_PAULO, stored) == [instant.replace(tzinfo=UTC)]


def test_an_instant_of_the_second_pass_is_cut_at_the_first():
    second_pass = datetime(2018, 2, 18, 2, 30, tzinfo=UTC)
    assert SAO_PAULO.to_stored(second_pass) == datetime(2018, 2, 17, 23, 30)
    assert snap(SAO_PAULO, second_pass) == second_pass - timedelta(hours=1)


def test_a_window_of_skipped_time_is_the_last_second_before_the_change():
    window = SAO_PAULO.to_window(datetime(2018, 11, 4, 0, 15), datetime(2018, 11, 4, 0, 30))
    change = datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert window == Window(change - SECOND, change)


@pytest.mark.parametrize("time", [UtcTime(), SAO_PAULO])
def test_no_rows_have_no_times(time):
    assert time.to_utc(np.array([], np.int64)).tolist() == []


@given(instants)
def test_a_timestamp_column_holds_the_instant_itself(instant):
    stored = UtcTime().to_stored(instant)
    assert stored.replace(tzinfo=UTC) == instant
    assert stored_micros(UtcTime(), instant) == (instant - datetime(1970, 1, 1, tzinfo=UTC)) // SECOND * SECOND_US


@given(times, st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)))
def test_any_year_that_a_column_can_hold_has_an_instant(time, stored):
    (found,) = to_utc(time, stored)
    assert abs(found.replace(tzinfo=None) - stored) <= timedelta(days=1)
