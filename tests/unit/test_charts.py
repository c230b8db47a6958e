"""The geometry of charts: whatever is drawn lies within the drawing, in order, and is a number."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servicemanager.web.charts.band import band
from servicemanager.web.charts.calendar import calendar, level_of, quartiles, years
from servicemanager.web.charts.days import MOST as MOST_TICKS
from servicemanager.web.charts.days import day_ticks, ticks
from servicemanager.web.charts.scale import Across, compact, upward
from servicemanager.web.charts.stack import MOST, fleet, thinned, total
from servicemanager.web.documents.archive import ArchiveDay, DayState
from servicemanager.web.documents.devices import Sensor, SensorDay
from servicemanager.web.documents.overview import HeadCount

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
numbers = st.floats(-1e12, 1e12, allow_nan=False)


def drawn(*paths: str) -> list[float]:
    """Every number of some paths; a text that is no number, such as nan, fails."""
    text = " ".join(paths)
    assert re.fullmatch(r"[MLhvZ0-9. -]*", text), text
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def head_count(at: datetime, normal: int = 0, warning: int = 0, fail: int = 0) -> HeadCount:
    return HeadCount(at=at, normal=normal, warning=warning, fail=fail, unknown=0, waiting_approve=0)


def sensor_day(day: date, mean: float = 10, deviation: float = 1, least: int = 5, greatest: int = 15) -> SensorDay:
    return SensorDay(day=day, readings=9, mean=mean, deviation=deviation, least=least, greatest=greatest)


def archive_day(day: date, rows: int = 1, state: DayState = DayState.PURGED) -> ArchiveDay:
    return ArchiveDay(
        day=day, state=state, rows=rows, size=rows * 9, objects=1, rows_due=0, sealed_at=NOON, verified_at=None
    )


@given(st.lists(numbers, max_size=9), st.booleans())
def test_a_scale_holds_all_its_values_and_labels_round_ones_in_order(values, from_zero):
    scale = upward(values, 150, from_zero=from_zero)
    assert scale.least < scale.greatest
    assert all(scale.least <= value <= scale.greatest for value in values)
    assert all(0 <= scale.at(value) <= 150 for value in values)
    labels = scale.ticks()
    assert 2 <= len(labels) <= 7
    assert len({tick.label for tick in labels}) == len(labels)
    assert [tick.at for tick in labels] == sorted((tick.at for tick in labels), reverse=True)


@given(numbers, numbers)
def test_a_higher_value_is_never_drawn_lower(one, other):
    scale = upward([one, other, 7], 150)
    assert (scale.at(one) - scale.at(other)) * (one - other) <= 0


@pytest.mark.parametrize(
    ("value", "label"),
    [(0, "0"), (0.25, "0.25"), (9_500, "9500"), (12_000, "12\u00a0k"), (1.5e6, "1.5\u00a0M"), (-2e4, "-20\u00a0k")],
)
def test_an_axis_writes_numbers_briefly(value, label):
    assert compact(value) == label


def test_what_lies_outside_is_drawn_at_the_edge_and_a_single_value_in_the_middle():
    assert [Across(0, 10).at(value) for value in (-1, 0, 5, 10, 11)] == [0, 0, 500, 1000, 1000]
    assert Across(3, 3).percent(3) == 50


@given(st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1)), st.integers(1, 40 * 366 * 24))
def test_labels_of_time_lie_within_the_axis_in_order_and_never_crowd(start, hours):
    start = start.replace(tzinfo=UTC)
    found = ticks(start, start + timedelta(hours=hours), SAO_PAULO)
    assert len(found) <= MOST_TICKS + 2
    assert sum(not tick.minor for tick in found) <= 6
    assert all(0 <= tick.at <= 100 for tick in found)
    assert all(a.at < b.at for a, b in pairwise(found))


def test_a_day_begins_where_the_zone_says():
    """Berlin's 25 October 2026 has 25 hours: two labels of midnight are further apart there."""
    start = datetime(2026, 10, 23, 22, tzinfo=UTC)
    found = ticks(start, start + timedelta(days=5), BERLIN)
    assert [tick.label for tick in found] == ["24 Oct", "25 Oct", "26 Oct", "27 Oct", "28 Oct"]
    hours = [round((b.at - a.at) * 120 / 100) for a, b in pairwise(found)]
    assert hours == [24, 25, 24, 24]


def test_an_axis_of_hours_names_the_day_at_its_midnight():
    found = ticks(datetime(2026, 11, 24, 21, tzinfo=UTC), datetime(2026, 11, 25, 9, tzinfo=UTC), SAO_PAULO)
    assert [tick.label for tick in found][5:8] == ["23:00", "25 Nov", "01:00"]


def test_equally_wide_days_are_labelled_below_their_middle():
    (only,) = day_ticks(date(2026, 2, 28), date(2026, 2, 28))
    assert (only.at, only.label) == (50, "28 Feb")
    assert [tick.label for tick in day_ticks(date(2016, 1, 1), date(2026, 1, 1))][:2] == ["2016", "2017"]


@given(st.lists(st.tuples(st.integers(1, 10**6), *[st.integers(0, 10**6)] * 3), max_size=30))
@example([(minutes, 0, 0, 0) for minutes in (1, 4, 1, 1, 1, 1006)])  # one alone, and others right after it
def test_areas_lie_within_the_drawing_and_the_upper_edge_is_that_of_all_devices(many):
    counts, at = [], NOON
    for minutes, *how_many in many:
        at += timedelta(minutes=minutes)
        counts.append(head_count(at, *how_many))
    found = fleet(counts, SAO_PAULO)
    assert (found is None) == (not counts)
    for panel in found.panels if found else ():
        assert [layer.key for layer in panel.layers][:2] == ["fail", "warning"]
        for layer in panel.layers:
            drawn(layer.area, layer.edge)
            assert all(0 <= x <= 1000 and 0 <= y <= panel.height for x, y in points(layer.area))
            assert [x for x, _ in points(layer.edge)] == sorted(x for x, _ in points(layer.edge))
        edges = [points(layer.edge) for layer in panel.layers]
        for lower, upper in pairwise(edges):
            assert all(high <= low for (_, low), (_, high) in zip(lower, upper, strict=True))


def test_a_few_silent_devices_among_a_million_get_a_drawing_of_their_own():
    counts = [head_count(NOON + timedelta(hours=hour), 1_000_000, hour) for hour in range(24)]
    found = fleet(counts, SAO_PAULO)
    assert [len(panel.layers) for panel in found.panels] == [5, 4]
    assert found.panels[1].y_ticks[-1].label == "30"
    even = [head_count(NOON + timedelta(hours=hour), 100, 30) for hour in range(24)]
    assert len(fleet(even, SAO_PAULO).panels) == 1


def test_nothing_is_drawn_over_a_night_in_which_nobody_counted():
    hours = [0, 1, 2, 14, 15]
    found = fleet([head_count(NOON + timedelta(hours=hour), 9) for hour in hours], SAO_PAULO)
    assert found.panels[0].layers[-1].area.count("M") == 2


def test_of_years_of_counts_the_worst_ones_are_kept_and_the_last():
    counts = [head_count(NOON + timedelta(minutes=5 * n), 100, int(n == 77_777)) for n in range(100_000)]
    kept = thinned(counts)
    assert len(kept) <= MOST + 1
    assert sum(count.warning for count in kept) == 1
    assert kept[-1] is counts[-1]
    assert [count.at for count in kept] == sorted(count.at for count in kept)
    assert thinned(counts[:2]) == counts[:2]


def test_pointing_at_any_place_tells_one_count():
    found = fleet([head_count(NOON + timedelta(hours=hour), 9) for hour in (0, 1, 5)], SAO_PAULO)
    assert [round(each.left + each.width, 1) for each in found.slices] == [10.0, 60.0, 100.0]
    assert [total(each.count) for each in found.slices] == [9, 9, 9]


days_of_a_sensor = st.lists(
    st.tuples(st.integers(1, 40), st.integers(-(10**9), 10**9), st.integers(0, 10**6), st.floats(0, 1e6)), max_size=40
)


@given(days_of_a_sensor, st.none() | numbers)
def test_a_sensor_is_drawn_within_bounds_whatever_it_reads(many, limit):
    days, day = [], date(2016, 2, 27)
    for apart, least, span, deviation in many:
        day += timedelta(days=apart)
        days.append(sensor_day(day, least + span / 2, deviation, least, least + span))
    found = band(Sensor(sensor=1, published=None, limit=limit, days=tuple(days)))
    assert (found is None) == (not days)
    if found:
        drawn(found.extremes, found.deviation, found.mean, found.thrown)
        places = points(found.extremes + found.deviation + found.mean + found.thrown)
        assert all(0 <= x <= 1000 and -1 <= y <= found.height for x, y in places)
        assert len(found.slices) == len(days)
        assert len(found.above) == sum(limit is not None and day.greatest > limit for day in days)
        assert all(math.isfinite(mark.x) for mark in (*found.above, *found.means))


def test_what_the_gateway_would_throw_away_is_marked():
    days = [sensor_day(date(2026, 11, 1) + timedelta(days=n), greatest=15 + n) for n in range(10)]
    found = band(Sensor(sensor=1, published=None, limit=20.0, days=tuple(days)))
    assert len(found.above) == 4
    assert found.thrown.count("M") == 4
    assert [each.above for each in found.slices] == [False] * 6 + [True] * 4
    (bottom, *_), limit = sorted({-y for _, y in points(found.thrown)}), found.limit
    assert -bottom <= limit


def test_a_limit_far_above_all_readings_does_not_press_them_flat():
    found = band(Sensor(sensor=1, published=None, limit=1e9, days=(sensor_day(date(2026, 11, 1)),)))
    assert found.limit is None
    assert found.y_ticks[-1].label == "15"


def test_a_constant_sensor_is_a_line_and_a_lonely_day_a_point():
    days = [sensor_day(date(2026, 11, n), 7, 0, 7, 7) for n in (1, 2, 5)]
    found = band(Sensor(sensor=1, published=None, limit=None, days=tuple(days)))
    assert found.mean.count("M") == 1
    assert len(found.means) == 1
    assert "v1h" in found.extremes


def test_ten_years_of_days_are_a_calendar_of_whole_weeks():
    first, last = date(2016, 11, 25), date(2026, 11, 24)
    days = [archive_day(first + timedelta(days=n), n) for n in range((last - first).days + 1)]
    found = calendar(days, first, last)
    cells = [cell for row in found.rows for cell in row]
    assert {len(row) for row in found.rows} == {sum(month.weeks for month in found.months)}
    assert [cell.day for cell in cells if cell.entry] == sorted(
        (cell.day for cell in cells if cell.entry), key=lambda day: (day.weekday(), day)
    )
    assert sum(cell.entry is not None for cell in cells) == len(days)
    assert {cell.level for cell in cells if cell.entry} == {0, 1, 2, 3, 4}
    assert all(week.day.weekday() == 0 for week in found.rows[0] if week.day)


def test_a_calendar_without_days_is_empty_and_one_of_equal_days_has_one_shade():
    first, last = date(2026, 1, 1), date(2026, 1, 1)
    empty = calendar([], first, last)
    assert [len(row) for row in empty.rows] == [1] * 7
    assert empty.bounds == ()
    assert quartiles([5] * 9) == (5, 5, 5)
    assert level_of(5, (5, 5, 5)) == level_of(4, (5, 5, 5)) == 1


@given(st.lists(st.integers(0, 10**10)))
def test_more_rows_are_never_a_lighter_shade(rows):
    bounds = quartiles(rows)
    shades = [level_of(count, bounds) for count in sorted(rows)]
    assert shades == sorted(shades)
    assert all(0 <= shade <= 4 for shade in shades)


def test_a_month_is_named_above_its_weeks():
    found = calendar([], date(2025, 12, 10), date(2026, 2, 3))
    assert [(month.first.month, month.weeks) for month in found.months] == [(12, 4), (1, 4), (2, 1)]


def test_years_add_up_their_days():
    days = [archive_day(date(2025, 12, 31), 5), archive_day(date(2026, 1, 1), 7, DayState.ARCHIVED)]
    assert [(year.year, year.rows, year.purged) for year in years(days)] == [(2026, 7, 0), (2025, 5, 1)]
