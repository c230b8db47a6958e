"""`servicemanager status`: how the service is, from any machine that reaches the database."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from servicemanager.cli.render import one_line, print_document, print_table

if TYPE_CHECKING:
    from servicemanager.selfcare.figures import Figures
    from servicemanager.service.status import JobStatus, Status

#: Incidents in the table.
_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("status")(_command)


def _command(
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Show who is MASTER, what the mirror says, and each job's last and next run.

    Exit status 0: all is well. 1: something is wrong, which is said. 2: wrong settings. 4: no database.
    """
    from servicemanager.service import Service
    from servicemanager.service.desk.status import status_document
    from servicemanager.service.status import look

    service = Service.configure()
    database = service.database()
    try:
        status = look(service.settings, database)
    finally:
        database.close()
    problems = list(status.problems())
    if json_output:
        print_document(status_document(status))
    else:
        _print(status, service.settings.zone)
        for problem in problems:
            sys.stderr.write(f"problem: {one_line(problem)}\n")
    if problems:
        raise typer.Exit(1)


def _print(status: Status, zone: ZoneInfo) -> None:
    leader, incidents = status.leader, status.standing.incidents[:_SHOWN]
    if leader and status.has_master:
        left = (leader.expires_at - status.now).total_seconds()
        master = f"{leader.holder}, term {leader.term}, lease for {left:.0f} more seconds"
    else:
        master = "nobody"
    rows = [("master", master), ("instance on this machine", status.here.words)]
    if status.mirror:
        node = ", and runs the Node version: no job runs here meanwhile" if status.node_leads else ""
        rows.append(("mirror", status.mirror.words + node))
    waiting = status.standing.undelivered
    oldest = f"{waiting.count}, since {_when(waiting.oldest_at, zone)}" if waiting.oldest_at else "none"
    rows.append(("messages not delivered", oldest))
    rows += _figure_rows(status.figures, zone)
    rows += [(f"incident #{each.number}", f"{each.title}, since {_when(each.opened_at, zone)}") for each in incidents]
    if more := len(status.standing.incidents) - len(incidents) + status.standing.more:
        rows.append(("more incidents", f"{more:,}"))
    print_table(("what", "how it is"), rows)
    sys.stdout.write("\n")
    columns = ("job", "last run", "outcome", "took", "typically", "next run")
    print_table(columns, [_job_row(job, zone) for job in status.jobs])
    sys.stdout.write(f"\nTimes are those of {zone.key}.\n")


def _figure_rows(figures: Figures | None, zone: ZoneInfo) -> list[tuple[str, str]]:
    """What the job `selfcare` measured last."""
    if figures is None:
        return [("readings past their retention", "not measured yet: the job selfcare does")]
    if figures.rows_due is None:
        due = "not counted: nothing is purged, or Facts has no index on creationDate"
    else:
        since = f", the oldest of {_when(figures.oldest_at, zone)}" if figures.oldest_at else ""
        due = f"{figures.rows_due:,}{since}"
    days = figures.days_until_full
    full = f"full in {days:.1f} days at the present rate" if days is not None else "not filling up"
    free = f"{figures.staging_free / (1 << 30):,.1f} GiB free on {figures.host}, {full}" if figures.staging_free else ""
    return [
        ("readings past their retention", due),
        ("last archived", _when(figures.archived_at, zone) if figures.archived_at else "never"),
        ("archive last verified", _when(figures.verified_at, zone) if figures.verified_at else "never"),
        ("staging disk", free or "not measured"),
        ("measured", _when(figures.measured_at, zone)),
    ]


def _job_row(job: JobStatus, zone: ZoneInfo) -> tuple[str, ...]:
    last, due = job.last, job.next
    took = (last.ended_at - last.started_at).total_seconds() if last and last.ended_at else None
    if job.pattern is None:
        planned = "not asked for by the settings"
    elif due is None:
        planned = "after the one that runs" if last and last.outcome == "running" else "never"
    else:
        planned = _when(due.at, zone) + (f", {due.reason}" if due.reason != "on time" else "")
    return (
        job.name,
        _when(last.started_at, zone) if last else "never",
        str(last.outcome) if last else "",
        _lasting(took),
        _lasting(job.typical_seconds),
        planned,
    )


def _when(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _lasting(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"  # noqa: PLR2004
