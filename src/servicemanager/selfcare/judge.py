"""Which figures are past their limits, in sentences; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from servicemanager.alerts.incident import Scope
from servicemanager.alerts.text import lasting
from servicemanager.alerts.trouble import Finding
from servicemanager.iotdb.partition_ahead import SHORT
from servicemanager.selfcare.figures import Figures

SCOPE = Scope(prefixes=("job:", "selfcare:"))
#: One object is at most so big while it is built.
_SMALLEST_FREE = 256 << 20


@dataclass(frozen=True)
class Limits:
    """From when on somebody is told. A limit that is None is not watched."""

    #: How long readings may stay that should have left the database.
    retention: timedelta
    verified: timedelta | None
    undelivered: timedelta
    #: The staging disk is full within this, at the present rate.
    disk: timedelta


@dataclass(frozen=True)
class LateJob:
    """A job that has not succeeded for twice its period, and why its last run did not."""

    job: str
    succeeded_at: datetime | None
    error: str | None


def judge(figures: Figures, late: Iterable[LateJob], limits: Limits) -> Iterator[Finding]:
    """One finding for each limit that is passed."""
    for job in late:
        yield _late(job)
    yield from _retention(figures, limits)
    yield from _verified(figures, limits)
    yield from _undelivered(figures, limits)
    yield from _disk(figures, limits)
    yield from _partitions(figures)


def _late(job: LateJob) -> Finding:
    since = f"since {job.succeeded_at:%Y-%m-%d %H:%M} UTC" if job.succeeded_at else "yet"
    why = f" Its last run said: {job.error.splitlines()[0]}" if job.error else ""
    return Finding(
        f"job:{job.job}",
        f"the job {job.job} is overdue",
        f"The job {job.job} has not succeeded {since}, which is more than twice its period.{why} "
        f"`servicemanager status` shows its runs, `servicemanager run-job {job.job}` runs it at once.",
        job.succeeded_at,
    )


def _retention(figures: Figures, limits: Limits) -> Iterator[Finding]:
    if figures.oldest_at is None or figures.cutoff is None:
        return
    overdue = figures.cutoff - figures.oldest_at
    if overdue > limits.retention:
        rows = f"{figures.rows_due:,}" if figures.rows_due else "some"
        yield Finding(
            "selfcare:retention",
            "readings stay past their retention",
            f"{rows} readings should have left the database, the oldest {lasting(overdue)} ago. Look at the export: "
            "`servicemanager export --dry-run` says what is held back, and why.",
        )


def _verified(figures: Figures, limits: Limits) -> Iterator[Finding]:
    if limits.verified is None or figures.archived_at is None:
        return
    # What was sealed was read back, so the first verification is due when the first object is that old.
    looked_at = figures.verified_at
    if looked_at is None or figures.measured_at - looked_at > limits.verified:
        when = f"since {looked_at:%Y-%m-%d} UTC" if looked_at else "ever"
        yield Finding(
            "selfcare:verified",
            "the archive was not verified for long",
            f"Nobody has read the archive again {when}: `servicemanager verify` does.",
            looked_at,
        )


def _undelivered(figures: Figures, limits: Limits) -> Iterator[Finding]:
    oldest = figures.undelivered_at
    if oldest and figures.measured_at - oldest > limits.undelivered:
        yield Finding(
            "selfcare:undelivered",
            "messages are not delivered",
            f"{figures.undelivered:,} messages wait, the oldest for {lasting(figures.measured_at - oldest)}: "
            "`servicemanager notify test` says what each channel answers.",
            oldest,
        )


def _disk(figures: Figures, limits: Limits) -> Iterator[Finding]:
    free, days = figures.staging_free, figures.days_until_full
    if free is None:
        return
    if free < _SMALLEST_FREE or (days is not None and timedelta(days=days) < limits.disk):
        rate = f", and is full in {days:.1f} days at the present rate" if days is not None else ""
        yield Finding(
            "selfcare:disk",
            f"the disk of {figures.host} fills up",
            f"The folder export.localDirectory on {figures.host} has {free / (1 << 20):,.0f} MiB left{rate}: make room "
            "there, or name another folder.",
        )


def _partitions(figures: Figures) -> Iterator[Finding]:
    until = figures.partitions_until
    if until is None:
        return
    if figures.rows_beyond:
        yield Finding(
            "selfcare:partitions",
            "readings get into the last partition",
            f"Facts has partitions for arrivals up to {until:%Y-%m-%d %H:%M} UTC, and readings came to lie beyond. "
            "Either days lack a partition, and `servicemanager db partition --apply` gives them theirs while inserts "
            "wait, or the clock of a gateway is ahead.",
        )
    elif until - figures.measured_at < SHORT:
        yield Finding(
            "selfcare:partitions",
            "partitions run short",
            f"Facts has partitions for arrivals up to {until:%Y-%m-%d %H:%M} UTC only: `servicemanager run-job "
            "housekeeping` adds more, or says what keeps it from that.",
        )
