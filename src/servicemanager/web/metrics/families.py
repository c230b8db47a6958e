"""From documents to families of metrics; pure. Names and units follow https://prometheus.io/docs/practices/naming/."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from servicemanager.jobs.job import Outcome
from servicemanager.web.documents.archive import Calendar, DayState
from servicemanager.web.documents.incidents import Incident
from servicemanager.web.documents.jobs import Job
from servicemanager.web.documents.overview import Overview

_PREFIX = "servicemanager_"
ROLES = ("MASTER", "SLAVE")
STATUSES = ("normal", "warning", "fail", "unknown", "waiting_approve")
#: By how an incident's subject begins.
KINDS = {"group/": "group", "fleet/": "fleet", "job:": "job", "selfcare:": "selfcare"}
OTHER = "other"


def _gauge(name: str, meaning: str, value: float | None) -> Metric:
    """Without a sample where nobody knows the value."""
    family = GaugeMetricFamily(_PREFIX + name, meaning)
    if value is not None:
        family.add_metric([], value)
    return family


def _labelled(name: str, meaning: str, label: str, values: Iterable[tuple[str, float | None]]) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, meaning, labels=[label])
    for its, value in values:
        if value is not None:
            family.add_metric([its], value)
    return family


def _seconds(at: datetime | None) -> float | None:
    return at.timestamp() if at else None


def of_instance(version: str, role: str, *, database_up: bool) -> Iterator[Metric]:
    """What is known without the database."""
    yield InfoMetricFamily(_PREFIX + "build", "The version of the program.", {"version": version})
    roles = [(each, float(each == role)) for each in ROLES]
    yield _labelled("role", "1 for the role of this instance, 0 for the other one.", "role", roles)
    yield _gauge("database_up", "Whether the database answers.", database_up)


def of_overview(overview: Overview) -> Iterator[Metric]:
    """What the overview shows."""
    yield _gauge("lease_held", "Whether any instance holds the lease of the MASTER.", _is_held(overview))
    yield _gauge("lease_term", "How many times the lease was taken.", overview.master.term)
    yield from _of_jobs(overview.jobs)
    yield from _of_readings(overview)
    yield from _of_fleet(overview)
    yield from _of_messages(overview)


def _is_held(overview: Overview) -> bool:
    until = overview.master.lease_expires_at
    return until is not None and until > overview.now


def _of_jobs(jobs: Iterable[Job]) -> Iterator[Metric]:
    known = tuple(jobs)

    def each(name: str, meaning: str, values: Iterable[float | None]) -> Metric:
        names = (job.job for job in known)
        # Not `job`: that is what Prometheus calls the group of instances that it asks.
        return _labelled(f"job_{name}", meaning, "name", zip(names, values, strict=True))

    yield each("scheduled", "Whether the settings ask for the job.", (job.pattern is not None for job in known))
    yield each("running", "Whether a run of the job is at work.", (_is_running(job) for job in known))
    yield each(
        "overdue", "Whether it has not succeeded for more than twice its period.", (job.overdue for job in known)
    )
    yield each(
        "last_run_timestamp_seconds",
        "When the latest run began.",
        (_seconds(job.last.started_at) if job.last else None for job in known),
    )
    yield each(
        "last_success_timestamp_seconds",
        "When the latest run that succeeded began.",
        (_seconds(job.succeeded_at) for job in known),
    )
    yield each(
        "next_run_timestamp_seconds",
        "When the job runs next.",
        (_seconds(job.next.at) if job.next else None for job in known),
    )
    yield each("last_run_duration_seconds", "How long the latest run took that has ended.", map(_duration, known))
    yield _outcomes(known)


def _is_running(job: Job) -> bool:
    return job.last is not None and job.last.outcome is Outcome.RUNNING


def _duration(job: Job) -> float | None:
    ended = ((run.started_at, run.ended_at) for run in job.recent if run.ended_at)
    return next(((to - since).total_seconds() for since, to in ended if to), None)


def _outcomes(jobs: Iterable[Job]) -> Metric:
    """Of a run at work nobody knows the outcome: the one before counts until it has ended."""
    name, meaning = "job_last_outcome", "1 for how the latest run ended that has ended, 0 for other ways."
    family = GaugeMetricFamily(_PREFIX + name, meaning, labels=["name", "outcome"])
    for job in jobs:
        ended = next((run.outcome for run in job.recent if run.outcome is not Outcome.RUNNING), None)
        for outcome in Outcome:
            if ended and outcome is not Outcome.RUNNING:
                family.add_metric([job.job, outcome.value], outcome is ended)
    return family


def _of_readings(overview: Overview) -> Iterator[Metric]:
    figures = overview.figures
    yield _gauge(
        "database_rows", "Readings in the table Facts, as the server estimates it.", overview.readings.in_database
    )
    yield _gauge("archive_size_bytes", "Size of all objects of the archive.", overview.readings.archived_bytes)
    yield _counter("archived_rows", "Readings that were archived.", overview.readings.archived)
    yield _gauge(
        "past_retention_rows",
        "Readings that should have left the database; counted up to a million.",
        figures.rows_past_retention if figures else None,
    )
    yield _gauge(
        "oldest_reading_timestamp_seconds",
        "When the oldest reading in the database arrived.",
        _seconds(figures.oldest_row_at if figures else None),
    )
    yield _gauge(
        "archive_timestamp_seconds",
        "When the newest object was archived.",
        _seconds(figures.archived_at if figures else None),
    )
    yield _gauge(
        "verification_timestamp_seconds",
        "When any object was last read again and found sound.",
        _seconds(figures.verified_at if figures else None),
    )
    yield _gauge(
        "measurement_timestamp_seconds",
        "When the job selfcare last measured rows and disk.",
        _seconds(figures.measured_at if figures else None),
    )
    yield _gauge(
        "staging_free_bytes",
        "Free space where files are built, on the machine that measured last.",
        figures.staging.free_bytes if figures else None,
    )


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, meaning, value)


def _of_fleet(overview: Overview) -> Iterator[Metric]:
    latest = overview.fleet[-1] if overview.fleet else None
    counted = [(status, getattr(latest, status) if latest else None) for status in STATUSES]
    yield _labelled("devices", "Devices by status, as last counted.", "status", counted)
    yield _gauge(
        "devices_count_timestamp_seconds",
        "When devices were last counted.",
        _seconds(latest.at if latest else None),
    )
    kinds = Counter(kind_of(incident) for incident in overview.incidents)
    every = (*KINDS.values(), OTHER)
    yield _labelled(
        "open_incidents", "Open incidents by what they are about.", "kind", ((kind, kinds[kind]) for kind in every)
    )


def kind_of(incident: Incident) -> str:
    """One of a few words, whatever the subject is called."""
    return next((kind for start, kind in KINDS.items() if incident.subject.startswith(start)), OTHER)


def _of_messages(overview: Overview) -> Iterator[Metric]:
    waiting = overview.undelivered
    yield _gauge("undelivered_messages", "Messages that no channel has taken yet.", waiting.messages)
    yield _gauge(
        "undelivered_message_timestamp_seconds",
        "Since when the oldest of them waits; no sample while none does.",
        _seconds(waiting.oldest_at),
    )


def of_archive(calendar: Calendar) -> Iterator[Metric]:
    """What the calendar of the archive shows."""
    yield _gauge("archive_objects", "Objects of the archive.", calendar.objects)
    states = Counter(day.state for day in calendar.days)
    yield _labelled(
        "archive_dates",
        "Local days of the archive by how far they are.",
        "state",
        ((s.value, states[s]) for s in DayState),
    )
    purged = sum(day.rows - day.rows_due for day in calendar.days)
    yield _counter("purged_rows", "Archived readings that were deleted from the database.", max(0, purged))
