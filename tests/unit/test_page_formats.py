"""How the pages say numbers, sizes, spans and instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.web.pages import formats

ZONE = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 11, 24, 11, 42, 7, tzinfo=UTC)


def plain(text: str) -> str:
    return text.replace(formats.SPACE, " ")


@pytest.mark.parametrize(
    ("number", "words"),
    [(None, formats.DASH), (0, "0"), (999, "999"), (1_234_567, "1 234 567"), (-1_500, "-1 500")],
)
def test_whole_numbers_are_written_in_groups_of_three(number, words):
    """With a space that does not break."""
    assert plain(formats.count(number)) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (None, formats.DASH),
        (0, "0"),
        (999, "999"),
        (1_000, "1.0 k"),
        (71_204_318, "71.2 M"),
        (999_499, "999 k"),
        (999_600, "1.0 M"),
        (99_960, "100 k"),
        (242_240_760, "242 M"),
        (5 * 10**15, "5000 T"),
    ],
)
def test_large_numbers_keep_three_digits_that_matter(number, words):
    """And are never rounded up to a thousand of something."""
    assert plain(formats.short(number)) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (726_722_280, "727 MB"), (None, formats.DASH)]
)
def test_sizes_are_counted_as_disks_and_buckets_are_sold(number, words):
    """By powers of a thousand."""
    assert plain(formats.size(number)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, formats.DASH),
        (-3, "0.0 s"),
        (0.44, "0.4 s"),
        (41.2, "41 s"),
        (59.6, "1 min 00 s"),
        (95, "1 min 35 s"),
        (7_500, "2 h 05 min"),
        (86_400 * 3 + 4 * 3_600, "3 d 4 h"),
    ],
)
def test_spans_are_told_in_two_units(seconds, words):
    """The smaller of them filled up, so that columns stay in line."""
    assert plain(formats.lasting(seconds)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (59, "just now"),
        (-30, "in a moment"),
        (60, "1 min ago"),
        (-719, "in 11 min"),
        (3_600 * 5 + 1, "5 h ago"),
        (86_400 * 3, "3 d ago"),
    ],
)
def test_instants_near_now_are_told_by_their_distance(seconds, words):
    """In one unit, rounded down."""
    assert plain(formats.ago(NOW - timedelta(seconds=seconds), NOW)) == words


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (datetime(2026, 11, 24, 11, 42, tzinfo=UTC), "08:42"),
        (datetime(2026, 11, 24, 2, 59, tzinfo=UTC), "23 Nov 23:59"),
        (datetime(2025, 1, 2, 3, 4, tzinfo=UTC), "2 Jan 2025 00:04"),
    ],
)
def test_the_wall_tells_no_more_than_is_needed(at, words):
    """No date of today, no year of this year; the day is that of the zone, not of UTC."""
    assert formats.wall(at, ZONE, NOW) == words


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(ZONE)))
def test_an_exact_instant_is_the_same_instant_in_utc(at):
    """Whatever zone it comes in: what a browser reads from the stamp is that very second."""
    read = datetime.fromisoformat(formats.stamp(at))
    assert read == at.astimezone(UTC).replace(microsecond=0)
    assert formats.exact(at) == f"{read:%Y-%m-%d %H:%M:%S} UTC"


def test_percents_mean_what_they_say():
    """100 is all of it and nothing less; more than all is all."""
    assert formats.percent(999, 1000) == 99
    assert formats.percent(1000, 1000) == 100
    assert formats.percent(3, 2) == 100
    assert formats.percent(1, None) is None
    assert formats.percent(1, 0) is None


def test_words_are_singular_for_one():
    """And a day is written out."""
    assert formats.many(1, "device") == "1 device"
    assert plain(formats.many(1500, "device")) == "1 500 devices"
    assert formats.many(2, "is", "are") == "2 are"
    assert formats.day(date(2026, 11, 24)) == "Tue 24 Nov 2026"


@given(st.text())
def test_a_name_is_one_part_of_a_path_whatever_is_in_it(name):
    """No slash, no question mark, nothing that a browser takes for the end of the path."""
    assert set(formats.segment(name.encode("utf-8", "ignore").decode())).isdisjoint("/?#\\ \"'<>")
