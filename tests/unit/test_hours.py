"""Hours of the day: when they hold, when they end, and what clocks that change do to them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.config.hours import Hours, parse_hours

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Hours(time(2), time(5))
PAST_MIDNIGHT = Hours(time(22), time(4, 30))


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("02:00-05:00", NIGHT), (" 2:00 - 5:00 ", NIGHT), ("22:00-04:30", PAST_MIDNIGHT), ("20:00-24:00", "20:00-00:00")],
)
def test_hours_are_read_as_people_write_them(text, hours):
    assert str(parse_hours(text)) == str(hours)


@pytest.mark.parametrize("text", ["", "02:00", "02:00-02:00", "25:00-03:00", "02:60-03:00", "20:00-24:30", "night"])
def test_what_is_no_hours_is_refused_in_words(text):
    with pytest.raises(ValueError, match="times of day|begins when it ends"):
        parse_hours(text)


def test_they_hold_from_their_first_minute_and_not_in_their_last():
    assert NIGHT.closing_after(berlin(2026, 11, 24, 2), BERLIN) == berlin(2026, 11, 24, 5)
    assert NIGHT.closing_after(berlin(2026, 11, 24, 5), BERLIN) is None
    assert NIGHT.opening_after(berlin(2026, 11, 24, 5), BERLIN) == berlin(2026, 11, 25, 2)


def test_hours_past_midnight_hold_on_both_days():
    assert PAST_MIDNIGHT.closing_after(berlin(2026, 11, 24, 23), BERLIN) == berlin(2026, 11, 25, 4, 30)
    assert PAST_MIDNIGHT.closing_after(berlin(2026, 11, 25, 1), BERLIN) == berlin(2026, 11, 25, 4, 30)
    assert PAST_MIDNIGHT.closing_after(berlin(2026, 11, 25, 12), BERLIN) is None


def test_a_night_in_which_clocks_change_is_an_hour_shorter_or_longer():
    for day, length in (((2026, 3, 29), 1), ((2026, 10, 25), 4)):
        # 02:00 is skipped in spring, and is where the repeated hour begins in autumn.
        opens = berlin(*day, 2).astimezone(UTC)
        closes = NIGHT.closing_after(opens, BERLIN)
        assert closes is not None
        assert closes - opens in {timedelta(hours=length), timedelta(hours=length + 1)}
        assert closes == berlin(*day, 5)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_either_they_hold_and_end_within_a_day_or_they_begin_within_one(now, opens, closes):
    hours = Hours(opens, closes)
    if opens == closes:
        return
    closing = hours.closing_after(now, BERLIN)
    if closing:
        assert now < closing <= now + timedelta(hours=25)
    else:
        opening = hours.opening_after(now, BERLIN)
        assert now < opening <= now + timedelta(hours=25)
        assert hours.closing_after(opening, BERLIN) is not None
