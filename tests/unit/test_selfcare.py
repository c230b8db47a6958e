"""From which figures on somebody is told that the service falls behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from servicemanager.selfcare.figures import Figures, Free, days_until_full
from servicemanager.selfcare.judge import SCOPE, LateJob, Limits, judge

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LIMITS = Limits(retention=2 * DAY, verified=7 * DAY, undelivered=timedelta(hours=1), disk=3 * DAY)
WELL = Figures(NOW, NOW - DAY, 0, NOW - 2 * DAY, NOW, NOW - DAY, 0, None, "box", 50 << 30)


def subjects(figures: Figures, *late: LateJob, limits: Limits = LIMITS) -> list[str]:
    findings = list(judge(figures, late, limits))
    assert all(SCOPE.covers(finding.subject) for finding in findings)
    return [finding.subject for finding in findings]


def test_a_service_that_does_its_work_is_left_alone():
    assert subjects(WELL) == []


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"oldest_at": NOW - 4 * DAY, "rows_due": 17}, "selfcare:retention"),
        ({"verified_at": NOW - 8 * DAY}, "selfcare:verified"),
        ({"verified_at": None}, "selfcare:verified"),
        ({"undelivered": 3, "undelivered_at": NOW - timedelta(hours=2)}, "selfcare:undelivered"),
        ({"staging_free": 100 << 20}, "selfcare:disk"),
        (
            {"samples": (Free(NOW.timestamp() - 36_000, 100 << 30), Free(NOW.timestamp(), 50 << 30))},
            "selfcare:disk",
        ),
    ],
)
def test_each_limit_that_is_passed_is_one_finding(change, subject):
    assert subjects(replace(WELL, **change)) == [subject]


def test_what_could_not_be_measured_or_is_not_asked_for_is_no_trouble():
    unknown = replace(WELL, cutoff=None, rows_due=None, oldest_at=None, archived_at=None, staging_free=None)
    assert subjects(unknown) == []
    assert subjects(replace(WELL, verified_at=None), limits=replace(LIMITS, verified=None)) == []


def test_a_late_job_is_named_with_what_its_last_run_said():
    (finding,) = judge(WELL, [LateJob("export", NOW - 3 * DAY, "The bucket refuses us.\nMore.")], LIMITS)
    assert finding.subject == "job:export"
    assert "since 2026-11-21 12:00 UTC" in finding.sentences
    assert "The bucket refuses us." in finding.sentences
    assert "More" not in finding.sentences


def test_days_until_full_follow_the_line_from_the_first_sample_to_the_last():
    ten_hours = [Free(0, 100), Free(18_000, 80), Free(36_000, 90)]
    assert days_until_full(ten_hours) == pytest.approx(90 / 10 * 36_000 / 86_400)
    assert days_until_full(ten_hours[:1]) is None
    assert days_until_full([Free(0, 100), Free(36_000, 100)]) is None
    assert days_until_full([Free(0, 100), Free(60, 1)]) is None


def test_samples_of_another_machine_or_of_yesterday_do_not_count():
    old = Free((NOW - 2 * DAY).timestamp(), 1)
    recent = Free((NOW - timedelta(hours=2)).timestamp(), 2)
    before = replace(WELL, samples=(old, recent))
    assert WELL.after(before).samples == (recent, Free(NOW.timestamp(), 50 << 30))
    assert replace(WELL, host="other").after(before).samples == (Free(NOW.timestamp(), 50 << 30),)
