"""What a form says about a silence."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from servicemanager.alerts.silence import Target
from servicemanager.errors import ConfigurationError
from servicemanager.web.pages.wishes import Form, tomorrow_morning, wish_of

ZONE = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 11, 24, 11, 42, 7, tzinfo=UTC)


def form(**fields: str) -> Form:
    return Form(**{"name": "shop 0207", "reason": "Electrician"} | fields)


def test_hours_are_told_as_seconds():
    """Who adds it decides by the database's clock when they begin."""
    assert wish_of(form(lasts="1h"), NOW, ZONE).seconds == 3_600
    assert wish_of(form(lasts="4h"), NOW, ZONE).seconds == 14_400


def test_tomorrow_morning_is_the_services_own():
    """08:00 by the wall's clock of its zone, also late in the evening when UTC has tomorrow already."""
    assert wish_of(form(lasts="morning"), NOW, ZONE).ends_at == datetime(2026, 11, 25, 11, 0, tzinfo=UTC)
    late = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
    assert tomorrow_morning(late, ZONE) == datetime(2026, 11, 25, 11, 0, tzinfo=UTC)


def test_tomorrow_morning_is_at_eight_on_the_day_of_a_change_of_clocks():
    """Not an hour before or after."""
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert tomorrow_morning(before, berlin).astimezone(berlin).hour == 8


def test_an_own_time_is_a_wall_time_of_the_services_zone():
    """As the page says beside the field."""
    wish = wish_of(form(lasts="until", until="2026-11-24T18:30"), NOW, ZONE)
    assert wish.ends_at == datetime(2026, 11, 24, 21, 30, tzinfo=UTC)


def test_again_and_again_takes_a_pattern_and_minutes():
    """And no end."""
    wish = wish_of(form(lasts="cron", cron=" 0 3 * * * ", minutes="90"), NOW, ZONE)
    assert (wish.cron, wish.seconds, wish.ends_at) == ("0 3 * * *", 5_400, None)


def test_a_name_is_taken_letter_by_letter_and_a_reason_on_one_line():
    """Spaces of a name count; those of a reason do not."""
    wish = wish_of(form(name=" shop  7 ", reason=" two\n words ", target="group"), NOW, ZONE)
    assert (wish.target, wish.name, wish.reason) == (Target.GROUP, " shop  7 ", "two words")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reason": "  "}, "Say why"),
        ({"name": " "}, "Say what is silenced"),
        ({"lasts": "for ever"}, "Say how long"),
        ({"lasts": "until", "until": "tomorrow"}, "as a date with a time"),
        ({"lasts": "until", "until": ""}, "as a date with a time"),
        ({"lasts": "cron", "cron": "0 3 * * *", "minutes": "-1"}, "whole minutes"),
        ({"lasts": "cron", "cron": "0 3 * * *", "minutes": "²"}, "whole minutes"),
        ({"lasts": "cron", "cron": "0 3 * * *", "minutes": "0"}, "Seconds: "),
        ({"lasts": "cron", "cron": "0 3 * * *", "minutes": "9999999999"}, "Seconds: "),
        ({"reason": "x" * 256}, "Reason: "),
        ({"name": "x" * 191}, "Name: "),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(fields, sentence):
    """Never a crash, whatever was typed."""
    with pytest.raises(ConfigurationError, match=sentence):
        wish_of(form(**fields), NOW, ZONE)


def test_an_instant_out_of_this_world_is_a_mistake_and_no_crash():
    """Python's years end at 9999 in every zone."""
    with pytest.raises(ConfigurationError):
        wish_of(form(lasts="until", until="9999-12-31T23:59"), NOW, ZONE)
