"""What is due, computed from the runs on record; pure.

A job is due when its pattern has fired since the last run that was made for a firing. Of several missed firings only
the latest is made up for, and only within the stated limit. A run that something passing cut short is tried again,
after longer and longer waits, as long as the pattern does not fire before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from servicemanager.jobs.history import Run
from servicemanager.jobs.job import Outcome
from servicemanager.scheduler.cron import Schedule

#: A start is on time within the minute in which the pattern fires, and the turn of the scheduler's own loop.
_ON_TIME = timedelta(seconds=90)
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=30)
#: Of one firing. More tries than these look like something that does not pass.
MOST_TRIES = 6


class Reason(StrEnum):
    """Why a run begins."""

    ON_TIME = "on time"
    CAUGHT_UP = "caught up"
    TRIED_AGAIN = "tried again"
    RESUMED = "resumed"


@dataclass(frozen=True)
class Due:
    """A start: not before `at`, for the firing `scheduled_for`."""

    at: datetime
    scheduled_for: datetime
    reason: Reason


def next_start(
    schedule: Schedule, runs: Sequence[Run], since: datetime, now: datetime, catch_up: timedelta
) -> Due | None:
    """The next start of a job, which is due where `at` is not later than `now`; None where its pattern fires no more.

    `runs` are the job's latest, the newest first; `since` is when the schedule began to count.
    """
    firing = schedule.last_until(now)
    if firing and firing > _made(runs, since) and now - firing <= catch_up:
        return Due(firing, firing, Reason.ON_TIME if now - firing <= _ON_TIME else Reason.CAUGHT_UP)
    upcoming = schedule.next_after(now)
    again = _again(runs)
    if again and now - again.scheduled_for <= catch_up and (upcoming is None or again.at < upcoming):
        return again
    return Due(upcoming, upcoming, Reason.ON_TIME) if upcoming else None


def _made(runs: Sequence[Run], since: datetime) -> datetime:
    """Up to when firings have had their run. What a person started counts where it succeeded."""
    made = [run.scheduled_for or run.started_at for run in runs if run.scheduled_for or run.outcome is Outcome.DONE]
    return max([since, *made])


def _again(runs: Sequence[Run]) -> Due | None:
    """The newest run once more, where that can help."""
    if not runs or not (last := runs[0]).scheduled_for or not last.ended_at:
        return None
    if last.outcome is Outcome.STOPPED:
        return Due(last.ended_at, last.scheduled_for, Reason.RESUMED)
    tries = sum(run.scheduled_for == last.scheduled_for for run in runs)
    if last.outcome is not Outcome.INTERRUPTED or tries >= MOST_TRIES:
        return None
    return Due(last.ended_at + wait_after(tries), last.scheduled_for, Reason.TRIED_AGAIN)


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many tries that failed."""
    return min(FIRST_WAIT * 2 ** (tries - 1), LONGEST_WAIT)


def is_overdue(schedule: Schedule, succeeded_at: datetime | None, since: datetime, now: datetime) -> bool:
    """Whether twice the job's period, and a little, has passed without a run that succeeded.

    `succeeded_at` is when the last one that did began.
    """
    period = schedule.period_at(now)
    if period is None:
        return False
    return now - max(since, succeeded_at or since) > 2 * period + min(period, timedelta(minutes=10))
