"""What a made-up service does and has done: jobs and their runs, the archive's days, the settings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from servicemanager.config import SETTINGS, load, plain_value, render, value_of
from servicemanager.jobs.job import Outcome
from servicemanager.web.documents.archive import ArchiveDay, Calendar, DayState, Proof
from servicemanager.web.documents.configuration import Configuration, Setting
from servicemanager.web.documents.jobs import Due, Job, Progress, Run

ERROR = (
    "The bucket ml-iot can't be reached: s3.sa-east-1.amazonaws.com answered 503 Slow Down to PUT "
    "passagem/facts/creation_date=2026-11-20/20261120T030000Z-20261121T030000Z-g0.parquet, after 8 tries in 120 "
    "seconds. Nothing was deleted. Let the job run again once the bucket answers."
)
#: Name, what it does, pattern, how often it ran, how long it takes, and what it counts.
_JOBS = (
    ("devices", "Looks for devices that went silent, and tells people.", "*/10 * * * *", 600, 0.8, "devices_checked"),
    ("history", "Counts devices by status, for the console's chart.", "*/10 * * * *", 600, 0.4, "devices_counted"),
    ("statistics", "Tells the gateway's filter about each sensor.", "0 0 * * *", 86_400, 41.0, "rows_published"),
    ("export", "Archives old readings, proves the archive, then purges.", "0 2 * * *", 86_400, 95.0, "rows_archived"),
    ("messages", "Deletes messages that their devices have read.", "30 3 * * *", 86_400, 2.0, "messages_deleted"),
    ("housekeeping", "Deletes old records of the service itself.", "45 3 * * *", 86_400, 1.0, "runs_deleted"),
    ("selfcare", "Looks after the service itself: jobs, disk, backlog.", "*/5 * * * *", 300, 0.3, "findings"),
)
JOB_NAMES = tuple(name for name, *_ in _JOBS)


def runs(now: datetime) -> list[Run]:
    """Of every job, the newest first."""
    every = [run for index, row in enumerate(_JOBS) for run in _runs_of(index, row, now)]
    ordered = sorted(every, key=lambda run: run.started_at)
    return [run.model_copy(update={"run": 40_000 + number}) for number, run in enumerate(ordered)][::-1]


def _runs_of(index: int, row: tuple[str, str, str, int, float, str], now: datetime) -> Iterator[Run]:
    name, _, _, every, takes, counted = row
    dice = random.Random(index)  # noqa: S311 -- the same fleet each time
    latest = now - timedelta(seconds=min(every * 0.3, 30_000) + index)
    for back in range(60):
        started_at = latest - timedelta(seconds=every * back)
        outcome, error = Outcome.DONE, None
        if name == "export" and back in {0, 9}:
            outcome, error = Outcome.FAILED, ERROR
        elif name == "export" and back == 4:
            outcome, error = Outcome.INTERRUPTED, "The connection to the database was lost."
        elif name == "devices" and back == 3:
            outcome, error = Outcome.STOPPED, "The run was asked to stop."
        yield Run(
            run=0,
            job=name,
            scheduled_for=None if back == 6 else started_at,
            asked_by="maria@example.com" if back == 6 else None,
            started_at=started_at,
            ended_at=started_at + timedelta(seconds=takes * dice.uniform(0.7, 1.6)),
            outcome=outcome,
            counts={counted: dice.randrange(1_400, 9_000_000 if name == "export" else 1_600)},
            error=error,
            instance="shops-a:4711",
            term=12,
        )


def started(job: str, by: str | None, at: datetime, number: int) -> Run:
    return Run(
        run=number,
        job=job,
        scheduled_for=None if by else at,
        asked_by=by,
        started_at=at,
        ended_at=None,
        outcome=Outcome.RUNNING,
        counts={},
        error=None,
        instance="shops-a:4711",
        term=12,
    )


def as_of(run: Run, at: datetime, takes: timedelta) -> Run:
    """A run that was begun, some time later: at work, or done."""
    total = 2_400_000
    share = (at - run.started_at) / takes
    if run.outcome is not Outcome.RUNNING:
        return run
    if share >= 1:
        ended_at = run.started_at + takes
        return run.model_copy(update={"outcome": Outcome.DONE, "ended_at": ended_at, "counts": {"rows": total}})
    progress = Progress(what="archived", done=int(share * total), total=total if share > 0.02 else None, at=at)
    return run.model_copy(update={"progress": progress, "counts": {"rows": progress.done}})


def job(name: str, its_runs: list[Run], now: datetime, *, wanted: bool = True) -> Job:
    _, about, pattern, every, takes, _ = next(row for row in _JOBS if row[0] == name)
    last = its_runs[0] if its_runs else None
    good = next((run.started_at for run in its_runs if run.outcome is Outcome.DONE), None)
    at = now + timedelta(seconds=every * 0.7)
    running = last is not None and last.outcome is Outcome.RUNNING
    return Job(
        job=name,
        about=about,
        pattern=pattern if wanted else None,
        last=last,
        next=Due(at=at, scheduled_for=at, reason="on time") if wanted and not running else None,
        typical_seconds=takes if last else None,
        succeeded_at=good,
        overdue=name == "export" and good is not None and now - good > timedelta(hours=30),
        recent=tuple(its_runs[:20]),
    )


def archive_days(now: datetime) -> tuple[ArchiveDay, ...]:
    """Sixty days, the oldest first: purged, but for the newest few."""
    dice = random.Random(11)  # noqa: S311 -- the same fleet each time
    states = {1: DayState.PLANNED, 2: DayState.PARTLY, 3: DayState.ARCHIVED}

    def day(back: int) -> ArchiveDay:
        state = states.get(back, DayState.PURGED)
        rows = 0 if state is DayState.PLANNED else int(6_400_000 * dice.uniform(0.3, 1.0))
        sealed_at = now - timedelta(days=back - 1, hours=3) if rows else None
        return ArchiveDay(
            day=(now - timedelta(days=back)).date(),
            state=state,
            rows=rows,
            size=rows * 3,
            objects=-(-rows // 1_500_000),
            rows_due=0 if state is DayState.PURGED else rows,
            sealed_at=sealed_at,
            verified_at=now - timedelta(days=1) if back > 7 and back % 9 else None,
        )

    return tuple(day(back) for back in range(60, 0, -1) if back != 31)


def calendar(days: tuple[ArchiveDay, ...], *, configured: bool = True) -> Calendar:
    return Calendar(
        configured=configured,
        days=days,
        rows=sum(day.rows for day in days),
        size=sum(day.size for day in days),
        objects=sum(day.objects for day in days),
    )


def proofs(day: ArchiveDay) -> tuple[Proof, ...]:
    """One object for each window of six hours."""
    if not day.objects or day.sealed_at is None:
        return ()
    midnight = datetime(day.day.year, day.day.month, day.day.day, 3, tzinfo=ZoneInfo("UTC"))
    hours = timedelta(hours=24 / day.objects)
    return tuple(
        Proof(
            window_start_at=midnight + index * hours,
            window_end_at=midnight + (index + 1) * hours,
            generation=index % 2,
            url=f"s3://ml-iot/passagem/facts/creation_date={day.day}/{index}-g{index % 2}.parquet",
            size=day.size // day.objects,
            sha256=f"{index:x}" * 64,
            rows=day.rows // day.objects,
            sealed_at=day.sealed_at,
            verified_at=day.verified_at,
            slices=4,
            slices_purged=4 if day.state is DayState.PURGED else 1,
        )
        for index in range(day.objects)
    )


def configuration() -> Configuration:
    environ = {
        "MYSQL_HOST": "db1.shops.example,db2.shops.example:3307",
        "MYSQL_USER": "servicemanager",
        "MYSQL_PASSWORD": "not to be seen",
        "EXPORT_BUCKET": "s3://ml-iot",
        "EXPORT_REMOTEDIRECTORY": "passagem/",
        "EXPORT_DAYS": "10",
        "WARNINGLIMIT": "60",
        "MIRROR": "shops-b",
        "NOTIFY_URLS": "mailtos://user:not-to-be-seen@example.com",
    }
    loaded = load(environ, Path("/nonexistent"))
    return Configuration(
        settings=tuple(
            Setting(
                key=one.key,
                value=plain_value(value_of(loaded.settings, one)),
                shown=render(value_of(loaded.settings, one)),
                origin=loaded.origins[one.key],
                meaning=one.about.meaning,
                variables=(*one.variables, *one.file_variables),
            )
            for one in SETTINGS
        ),
        embedded=False,
        notices=("scheduler.export: a notice about <b>this</b> pattern.",),
        version="0.1.0",
    )
