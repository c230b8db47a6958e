"""Rows of our own tables, as old as one likes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_NOW = datetime.now(UTC).replace(tzinfo=None)


def ago(days: float | None) -> str:
    """An instant so many days ago, as SQL."""
    return "NULL" if days is None else f"'{_NOW - timedelta(days=days)}'"


def run_of(job: str, days: float, outcome: str = "done") -> str:
    ended = ago(None if outcome == "running" else days)
    return (
        "INSERT INTO sm_job_run (job, started_at, ended_at, outcome, counts, instance, term) "
        f"VALUES ('{job}', {ago(days)}, {ended}, '{outcome}', '{{}}', 'somebody', 1)"
    )


def message(subject: str, *, decided: float, delivered: float | None = None, failure: str | None = None) -> str:
    word = f"'{failure}'" if failure else "NULL"
    return (
        "INSERT INTO sm_outbox (channel, subject, body, created_at, due_at, attempts, delivered_at, failure) "
        f"VALUES ('console', '{subject}', 'b', {ago(decided)}, {ago(0)}, 1, {ago(delivered)}, {word})"
    )


def incident(subject: str, closed: float | None) -> str:
    open_subject = f"'{subject}'" if closed is None else "NULL"
    return (
        "INSERT INTO sm_incident (subject, open_subject, version, opened_at, closed_at, members) "
        f"VALUES ('{subject}', {open_subject}, 1, {ago(900)}, {ago(closed)}, '[]')"
    )


def silence(name: str, ends: float | None) -> str:
    return (
        "INSERT INTO sm_silence (target, name, reason, starts_at, ends_at) "
        f"VALUES ('device', '{name}', 'r', {ago(900)}, {ago(ends)})"
    )


#: Of each table one that may go.
OLD_ROWS = (
    run_of("export", 91),
    run_of("export", 0),
    message("told", decided=40, delivered=31),
    incident("old", closed=366),
    silence("old", ends=31),
)
