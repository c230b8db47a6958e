"""What is decided about statistics, without a database."""

from datetime import date

import pytest

from servicemanager.iotdb.device_statistics import Line
from servicemanager.iotdb.rollups import Remembered
from servicemanager.statistics.judge import (
    Decision,
    Freshness,
    Kind,
    Verdict,
    compare,
    decide_freshness,
    decide_publication,
    judge,
)

TODAY = date(2026, 11, 20)
YESTERDAY = date(2026, 11, 19)


def line(device: str = "d", sensor: int = 1, average: float = 10.0, deviation: float = 2.0) -> Line:
    return Line(device.encode(), sensor, average, deviation, deviation / 2)


@pytest.mark.parametrize(
    ("day", "known", "now", "freshness"),
    [
        (TODAY, Remembered(1, "a"), Remembered(1, "a"), Freshness.TODAY),
        (YESTERDAY, None, Remembered(1, "a"), Freshness.NEW),
        (YESTERDAY, None, Remembered(0, "a"), Freshness.UNCHANGED),
        (YESTERDAY, Remembered(1, "a"), Remembered(2, "a"), Freshness.ROWS),
        (YESTERDAY, Remembered(1, "a"), Remembered(1, "b"), Freshness.JOURNAL),
        (YESTERDAY, Remembered(1, "a"), Remembered(1, "a"), Freshness.UNCHANGED),
    ],
)
def test_a_day_is_summed_up_again_only_for_a_reason(day, known, now, freshness):
    assert decide_freshness(day, TODAY, known, now) is freshness


@pytest.mark.parametrize(
    ("average", "deviation", "verdict"),
    [
        (10.0, 2.0, Verdict.FIT),
        (12.0, 2.0, Verdict.STEADY),
        (11.9, 2.0, Verdict.FIT),
        (-50.0, 2.0, Verdict.FIT),
        (5.0, 0.0, Verdict.CONSTANT),
        (-5.0, 0.0, Verdict.CONSTANT),
    ],
)
def test_a_row_is_unfit_where_the_filter_would_throw_away_most_of_what_it_was_made_of(average, deviation, verdict):
    assert judge(line(average=average, deviation=deviation), 6.0) is verdict


@pytest.mark.parametrize(
    ("before", "after", "force", "decision"),
    [
        (0, 0, False, Decision.PUBLISH),
        (10, 5, False, Decision.PUBLISH),
        (10, 4, False, Decision.SHRINKS),
        (10, 4, True, Decision.FORCED),
        (10, 0, False, Decision.SHRINKS),
    ],
)
def test_a_table_that_shrinks_by_more_than_half_is_held_back(before, after, force, decision):
    assert decide_publication(before, after, force=force) is decision


def test_two_lists_are_compared_pair_by_pair_in_the_order_of_bytes():
    before = [line("A"), line("a", 1), line("a", 2), line("gone")]
    after = [line("A"), line("a", 1, average=11.0), line("a", 2, deviation=2.000001), line("a", 3)]
    kinds = [change.kind for change in compare(before, after)]
    assert kinds == [Kind.SAME, Kind.CHANGED, Kind.SAME, Kind.NEW, Kind.GONE]
