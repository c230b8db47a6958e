"""What is due follows from the runs on record alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from servicemanager.jobs.history import Run
from servicemanager.jobs.job import Outcome
from servicemanager.scheduler.cron import Schedule
from servicemanager.scheduler.due import MOST_TRIES, Due, Reason, is_overdue, next_start, wait_after

DAILY = Schedule("0 2 * * *", ZoneInfo("UTC"))
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
FIRING = datetime(2026, 11, 24, 2, tzinfo=UTC)


def run(at: datetime, outcome: Outcome = Outcome.DONE, *, lasts: timedelta = MINUTE, by_hand: bool = False) -> Run:
    ended = None if outcome is Outcome.RUNNING else at + lasts
    return Run(1, "export", None if by_hand else at, at, ended, outcome, {}, None, "somebody", 1)


def due(now: datetime, *runs: Run, since: datetime = SINCE) -> Due | None:
    return next_start(DAILY, runs, since, now, catch_up=DAY)


def test_a_firing_without_a_run_is_due_on_time():
    assert due(FIRING + MINUTE, run(FIRING - DAY)) == Due(FIRING, FIRING, Reason.ON_TIME)


def test_a_firing_that_had_its_run_is_followed_by_the_next():
    assert due(FIRING + MINUTE, run(FIRING)) == Due(FIRING + DAY, FIRING + DAY, Reason.ON_TIME)


def test_many_missed_firings_are_made_up_for_by_one_run():
    found = due(FIRING + timedelta(hours=7), run(FIRING - 9 * DAY))
    assert found == Due(FIRING, FIRING, Reason.CAUGHT_UP)
    assert due(FIRING + timedelta(hours=7), run(FIRING)) == Due(FIRING + DAY, FIRING + DAY, Reason.ON_TIME)


def test_what_was_missed_longer_ago_than_the_limit_waits_for_its_next_time():
    weekly = Schedule("0 2 * * 0", ZoneInfo("UTC"))
    found = next_start(weekly, [], SINCE, FIRING, catch_up=DAY)
    assert found == Due(datetime(2026, 11, 29, 2, tzinfo=UTC), datetime(2026, 11, 29, 2, tzinfo=UTC), Reason.ON_TIME)


def test_nothing_is_made_up_for_from_before_the_schedule_began():
    assert due(FIRING + MINUTE, since=FIRING + MINUTE / 2) == Due(FIRING + DAY, FIRING + DAY, Reason.ON_TIME)


def test_a_persons_run_counts_for_a_missed_firing_only_if_it_succeeded():
    now = FIRING + timedelta(hours=1)
    by_hand = FIRING + timedelta(minutes=30)
    assert due(now, run(by_hand, by_hand=True), run(FIRING - DAY)) == Due(FIRING + DAY, FIRING + DAY, Reason.ON_TIME)
    failed = run(by_hand, Outcome.FAILED, by_hand=True)
    assert due(now, failed, run(FIRING - DAY)) == Due(FIRING, FIRING, Reason.CAUGHT_UP)


def test_an_interrupted_run_is_tried_again_after_longer_and_longer_waits():
    first = run(FIRING, Outcome.INTERRUPTED)
    assert due(FIRING + MINUTE, first) == Due(FIRING + 2 * MINUTE, FIRING, Reason.TRIED_AGAIN)
    second = Run(2, "export", FIRING, FIRING + 2 * MINUTE, FIRING + 3 * MINUTE, Outcome.INTERRUPTED, {}, None, "x", 2)
    assert due(FIRING + 3 * MINUTE, second, first) == Due(FIRING + 5 * MINUTE, FIRING, Reason.TRIED_AGAIN)
    assert [wait_after(tries) / MINUTE for tries in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_it_is_not_tried_for_ever_nor_past_the_next_regular_time():
    often = [run(FIRING, Outcome.INTERRUPTED)] * MOST_TRIES
    assert due(FIRING + MINUTE, *often) == Due(FIRING + DAY, FIRING + DAY, Reason.ON_TIME)
    every_minute = Schedule("* * * * *", ZoneInfo("UTC"))
    found = next_start(every_minute, [run(FIRING, Outcome.INTERRUPTED)], SINCE, FIRING + MINUTE / 2, DAY)
    assert found == Due(FIRING + MINUTE, FIRING + MINUTE, Reason.ON_TIME)


def test_a_stopped_run_is_resumed_at_once_and_a_failed_one_waits_for_its_next_time():
    assert due(FIRING + MINUTE, run(FIRING, Outcome.STOPPED)) == Due(FIRING + MINUTE, FIRING, Reason.RESUMED)
    assert due(FIRING + MINUTE, run(FIRING, Outcome.FAILED)) == Due(FIRING + DAY, FIRING + DAY, Reason.ON_TIME)


def test_a_person_who_stopped_a_run_by_hand_meant_it():
    stopped = run(FIRING + MINUTE, Outcome.STOPPED, by_hand=True)
    assert due(FIRING + 3 * MINUTE, stopped, run(FIRING)) == Due(FIRING + DAY, FIRING + DAY, Reason.ON_TIME)


@pytest.mark.parametrize(("succeeded", "overdue"), [(FIRING - DAY, False), (FIRING - 2 * DAY, True), (None, True)])
def test_a_job_is_overdue_after_twice_its_period(succeeded, overdue):
    assert is_overdue(DAILY, succeeded, SINCE, FIRING + timedelta(hours=1)) is overdue


def test_a_job_that_has_just_been_scheduled_is_not_overdue():
    assert not is_overdue(DAILY, None, FIRING - MINUTE, FIRING + timedelta(hours=1))
