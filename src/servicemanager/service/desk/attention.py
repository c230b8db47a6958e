"""What needs attention, the most urgent first, and all of it in a sentence; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from servicemanager.alerts.records import IncidentRecord
from servicemanager.alerts.silence import Target
from servicemanager.alerts.text import counted, lasting, many, plain
from servicemanager.health.findings import FOREIGN_SUBJECT, group_of
from servicemanager.jobs.job import Outcome
from servicemanager.service.status import JobStatus, Status
from servicemanager.web.documents.overview import Attention, HeadCount, Urgency

#: Groups in trouble that are named one by one.
_NAMED = 3
_MINUTE = timedelta(minutes=1)
_PAGES = {
    "selfcare:retention": "/archive",
    "selfcare:verified": "/archive",
    "selfcare:undelivered": "/incidents",
    "selfcare:disk": "/jobs/export",
}
Silenced = frozenset[tuple[Target, str]]


def attention(status: Status, silenced: Silenced) -> tuple[Attention, ...]:
    found = [
        *_leadership(status),
        *_incidents(status, silenced),
        *_findings(status),
        *_runs(status.jobs),
        *_mirror(status),
    ]
    return tuple(sorted(found, key=lambda each: list(Urgency).index(each.urgency)))


def summary(found: Sequence[Attention], fleet: Sequence[HeadCount]) -> str:
    """The first line of the first page."""
    if not found:
        return f"All is well: {_heard(fleet)}every job is on time."
    if len(found) == 1:
        return found[0].sentence
    return f"{found[0].sentence} And {many(len(found) - 1, 'more thing')} to look at."


def _heard(fleet: Sequence[HeadCount]) -> str:
    if not fleet:
        return ""
    last = fleet[-1]
    approved = last.normal + last.warning + last.fail + last.unknown
    if not approved:
        return "no device is registered yet, and "
    return f"{counted(last.normal + last.warning)} of {many(approved, 'device')} are heard of, and "


def _leadership(status: Status) -> Iterator[Attention]:
    if not status.has_master and not status.node_leads:
        yield _wrong("No instance is MASTER, so no job runs.", "/jobs")


def _incidents(status: Status, silenced: Silenced) -> Iterator[Attention]:
    """Those of the whole fleet and of the service each; groups, of which there may be many, together."""
    open_ones = status.standing.incidents
    loud = [each for each in open_ones if not _is_silenced(each, silenced)]
    yield from (_incident(each, status.now) for each in loud if group_of(each.subject) is None)
    groups = [each for each in loud if group_of(each.subject) is not None]
    number = len(groups) + status.standing.more
    if number <= _NAMED:
        yield from (_incident(each, status.now) for each in groups)
    elif groups:
        latest = groups[-1]
        yield _wrong(
            f"{counted(number)} groups have devices in trouble, the latest for "
            f"{_lasted(status.now - latest.opened_at)}: {latest.title}.",
            "/incidents",
        )
    if quiet := len(open_ones) - len(loud):
        yield _look(f"{many(quiet, 'incident is', 'incidents are')} open and silenced.", "/incidents")


def _incident(incident: IncidentRecord, now: datetime) -> Attention:
    sentence = f"{incident.title}, for {_lasted(now - incident.opened_at)}."
    urgency = Urgency.WORTH_A_LOOK if incident.subject == FOREIGN_SUBJECT else Urgency.WRONG
    return Attention(urgency=urgency, sentence=_capital(sentence), page=f"/incidents/{incident.number}")


def _lasted(span: timedelta) -> str:
    return lasting(span) if span >= _MINUTE else "less than a minute"


def _is_silenced(incident: IncidentRecord, silenced: Silenced) -> bool:
    group = group_of(incident.subject)
    its = {(Target.SUBJECT, incident.subject)} | ({(Target.GROUP, group)} if group is not None else set())
    return bool(its & silenced)


def _findings(status: Status) -> Iterator[Attention]:
    """Limits that are passed, and that are no incident yet."""
    known = {each.subject for each in status.standing.incidents}
    for finding in status.findings:
        if finding.subject not in known:
            head, _, job = finding.subject.partition(":")
            page = f"/jobs/{job}" if head == "job" else _PAGES.get(finding.subject, "/")
            yield _wrong(f"{_capital(finding.title)}.", page)


def _runs(jobs: Sequence[JobStatus]) -> Iterator[Attention]:
    """Of a job that is overdue it is said above."""
    for job in jobs:
        last = job.last
        if last and job.pattern and not job.overdue and last.outcome in {Outcome.FAILED, Outcome.INTERRUPTED}:
            why = f": {plain(last.error.splitlines()[0])}" if last.error else "."
            how = "failed" if last.outcome is Outcome.FAILED else "was cut short"
            yield _look(f"The last run of the job {job.name} {how}{why}", f"/runs/{last.number}")


def _mirror(status: Status) -> Iterator[Attention]:
    if status.mirror and status.mirror.role is None:
        yield _look(f"The other instance {plain(status.mirror.words)}: nobody would take over.", "/")


def _wrong(sentence: str, page: str) -> Attention:
    return Attention(urgency=Urgency.WRONG, sentence=sentence, page=page)


def _look(sentence: str, page: str) -> Attention:
    return Attention(urgency=Urgency.WORTH_A_LOOK, sentence=sentence, page=page)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
