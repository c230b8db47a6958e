"""What the desk and the role page decide from values alone: marks of parts, media types, and what needs attention."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.alerts.outbox import Undelivered
from servicemanager.alerts.records import IncidentRecord
from servicemanager.alerts.silence import Target
from servicemanager.alerts.standing import Standing
from servicemanager.alerts.trouble import Finding
from servicemanager.cluster.mirror import Answer
from servicemanager.cluster.role import Leader, Role
from servicemanager.errors import ConfigurationError
from servicemanager.health.findings import group_of, group_subject
from servicemanager.health.history_status import Counted
from servicemanager.jobs.history import Run
from servicemanager.jobs.job import Outcome
from servicemanager.service.desk import cursors
from servicemanager.service.desk.attention import attention, summary
from servicemanager.service.desk.overview import head_counts
from servicemanager.service.status import JobStatus, Status
from servicemanager.web.documents.overview import HeadCount
from servicemanager.web.negotiation import prefers_page

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEADS = Leader("a, process 1", 1, NOW + timedelta(seconds=9), None)
HERE = Answer(Role.MASTER, is_ours=True, words="MASTER")
WELL = Status(NOW, LEADS, HERE, None, (), Standing((), Undelivered(0, None, None, None)), None, ())


@given(st.lists(st.text(max_size=30) | st.integers(0, cursors.LARGEST), min_size=1, max_size=3))
def test_a_mark_leads_back_to_the_values_it_was_made_of(values):
    kinds = [type(value) for value in values]
    assert list(cursors.decode(cursors.encode(*values), *kinds)) == values


@given(st.text(max_size=60))
def test_no_text_from_outside_is_more_than_refused(text):
    try:
        (found,) = cursors.decode(text, str)
    except ConfigurationError:
        return
    assert isinstance(found, str)


@pytest.mark.parametrize("value", ["WzE4NDQ2NzQ0MDczNzA5NTUxNjE2XQ", "Wy0xXQ", "W3RydWVd", "WzEuMF0", "WyJcdWQ4MDAiXQ"])
def test_numbers_and_texts_that_no_database_takes_are_refused(value):
    for kind in (int, str):
        with pytest.raises(ConfigurationError):
            cursors.decode(value, kind)


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html", True),
        ("TEXT/HTML; charset=utf-8", True),
        ("text/html;q=0.2", True),
        ("text/plain;q=0.5, text/html;q=0.6", True),
        ("text/html, text/plain", False),
        ("text/html;q=0", False),
        ("text/html;q=nonsense", False),
        ("*/*", False),
        ("text/*", False),
        ("", False),
        ("application/json", False),
        (",;q=,;;", False),
    ],
)
def test_only_who_prefers_a_page_by_name_gets_one(accept, page):
    assert prefers_page(accept) is page


def incident(number: int, subject: str, title: str, minutes: int = 60) -> IncidentRecord:
    return IncidentRecord(number, subject, title, NOW - timedelta(minutes=minutes), None)


def with_incidents(*incidents: IncidentRecord) -> Status:
    return replace(WELL, standing=Standing(incidents, WELL.standing.undelivered))


def job(outcome: Outcome, **changes) -> JobStatus:
    run = Run(7, "export", NOW, NOW, NOW, outcome, {}, "The bucket is gone.\nMore.", "i", 1)
    return replace(JobStatus("export", "Moves.", "0 2 * * *", run, None, None, None, False, (run,)), **changes)


def told(status: Status, *silenced) -> list[tuple[str, str, str]]:
    return [(each.urgency, each.sentence, each.page) for each in attention(status, frozenset(silenced))]


def test_where_all_is_well_one_sentence_says_so():
    fleet = [HeadCount(at=NOW, normal=1_200, warning=20, fail=0, unknown=4, waiting_approve=2)]
    assert told(WELL) == []
    assert summary((), fleet) == "All is well: 1 220 of 1 224 devices are heard of, and every job is on time."
    assert summary((), []) == "All is well: every job is on time."
    nobody = [HeadCount(at=NOW, normal=0, warning=0, fail=0, unknown=0, waiting_approve=9)]
    assert summary((), nobody) == "All is well: no device is registered yet, and every job is on time."


def test_trouble_of_a_few_groups_is_told_one_by_one_and_of_many_together():
    few = [incident(n, group_subject(f"shop {n}"), f"shop {n}: 1 silent") for n in range(3)]
    assert told(with_incidents(*few))[0] == ("wrong", "Shop 0: 1 silent, for 1 h.", "/incidents/0")
    many = [*few, incident(9, group_subject("shop 9"), "shop 9: 1 silent", 5)]
    assert told(with_incidents(*many)) == [
        ("wrong", "4 groups have devices in trouble, the latest for 5 min: shop 9: 1 silent.", "/incidents")
    ]


def test_what_is_silenced_and_what_is_no_harm_only_wants_a_look():
    status = with_incidents(
        incident(1, group_subject("shop 1"), "shop 1: 1 silent"),
        incident(2, "fleet/foreign", "3 foreign"),
        incident(3, "job:export", "the job export is overdue"),
    )
    assert [each[:2] for each in told(status, (Target.GROUP, "shop 1"))] == [
        ("wrong", "The job export is overdue, for 1 h."),
        ("worth a look", "3 foreign, for 1 h."),
        ("worth a look", "1 incident is open and silenced."),
    ]


def test_a_limit_that_is_passed_is_told_once_as_a_finding_or_as_the_incident():
    finding = Finding("job:export", "the job export is overdue", "It is late.")
    late = replace(WELL, findings=(finding,))
    assert told(late) == [("wrong", "The job export is overdue.", "/jobs/export")]
    both = replace(with_incidents(incident(3, "job:export", "the job export is overdue")), findings=(finding,))
    assert [page for *_, page in told(both)] == ["/incidents/3"]


def test_a_run_that_failed_is_told_unless_its_job_is_overdue_or_not_wanted():
    failed = replace(WELL, jobs=(job(Outcome.FAILED),))
    assert told(failed) == [("worth a look", "The last run of the job export failed: The bucket is gone.", "/runs/7")]
    for quiet in (job(Outcome.DONE), job(Outcome.FAILED, overdue=True), job(Outcome.FAILED, pattern=None)):
        assert told(replace(WELL, jobs=(quiet,))) == []


def test_without_a_master_and_without_a_mirror_somebody_should_look():
    alone = replace(WELL, leader=None, mirror=Answer(None, False, "does not answer"))
    found = told(alone)
    assert found == [
        ("wrong", "No instance is MASTER, so no job runs.", "/jobs"),
        ("worth a look", "The other instance does not answer: nobody would take over.", "/"),
    ]
    assert summary(attention(alone, frozenset()), []) == (
        "No instance is MASTER, so no job runs. And 1 more thing to look at."
    )


def test_a_long_chart_of_the_fleet_is_thinned_out_and_keeps_its_end():
    counts = [Counted(NOW + timedelta(minutes=n), {"NORMAL": n}) for n in range(1_000)]
    found = head_counts(counts)
    assert len(found) <= 300
    assert (found[-1].normal, found[-1].at) == (999, counts[-1].at)
    assert [each.at for each in found] == sorted(each.at for each in found)


@pytest.mark.parametrize("group", ["shop 1", "", "a/silent", "group/x/silent", "/silent"])
def test_the_group_of_a_subject_is_the_one_it_was_made_of(group):
    assert group_of(group_subject(group)) == group
    assert group_of(f"job:{group}") is None
    assert group_of("group/silent") is None
