"""`servicemanager restore`: archived readings back into a table."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line, print_json, print_table
from servicemanager.errors import ConfigurationError

if TYPE_CHECKING:
    from servicemanager.archive.restore import RestoreJob
    from servicemanager.service import Service

_DAY = ["%Y-%m-%d"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("restore")(_command)


def _command(  # noqa: PLR0913, PLR0917 -- one parameter for each option
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="First local day to bring back.")],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="Last local day to bring back.")],
    into: Annotated[
        str,
        typer.Option(help="The table; made like Facts where it is missing. Facts itself takes back what was purged."),
    ] = "Facts_restored",
    bucket_only: Annotated[
        bool, typer.Option("--bucket-only", help="Take the objects that the bucket holds, not those of the journal.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the objects, and change nothing.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Bring the readings of some days back from the archive, exactly. It can be repeated, and goes on where it ended.

    Exit status 0: done. 1: an object is damaged or missing, or the table was refused. 2: wrong settings. 3: an export
    is at work. 4: the database or the bucket can't be reached.
    """
    from servicemanager.archive.restore import Source
    from servicemanager.archive.verify import Days
    from servicemanager.cli import logs, process
    from servicemanager.service import Service

    if last < first:
        raise ConfigurationError(f"--to {last:%Y-%m-%d} lies before --from {first:%Y-%m-%d}.")
    service = Service.configure()
    logs.configure(service.settings.log.format)
    process.settle()
    store = service.store()
    if store is None:
        raise ConfigurationError("There is no archive to restore from: no bucket is configured (EXPORT_BUCKET).")
    database = service.database()
    try:
        source = Source.BUCKET if bucket_only else Source.JOURNAL
        job = service.restore_job(database, store, Days(first.date(), last.date()), into, source)
        if dry_run:
            _print_plan(job, json_output=json_output)
        else:
            _run(service, job, json_output=json_output)
    finally:
        database.close()


def _print_plan(job: RestoreJob, *, json_output: bool) -> None:
    pieces = job.plan()
    rows = [(piece.url, piece.archived.fingerprint.rows if piece.archived else None, piece.size) for piece in pieces]
    if json_output:
        print_json(
            {"target": job.target, "objects": [dict(zip(("url", "rows", "bytes"), r, strict=True)) for r in rows]}
        )
    elif rows:
        print_table(("object", "rows", "bytes"), rows)
        sys.stdout.write(f"They would be brought back into {job.target}.\n")
    else:
        sys.stdout.write("The archive holds nothing of these days.\n")


def _run(service: Service, job: RestoreJob, *, json_output: bool) -> None:
    from servicemanager.cli.process import account_name, give_up
    from servicemanager.cli.progress import shown_progress
    from servicemanager.cli.signals import stopped_by_signals
    from servicemanager.jobs.runner import Runner

    with stopped_by_signals() as stop, shown_progress() as progress:
        result = Runner(job.database, service.settings.cluster.lease, progress, stop, give_up).run(
            job, asked_by=account_name()
        )
    if json_output:
        print_json({"counts": result.counts, "problems": result.problems})
    else:
        sys.stdout.write(f"{result.counts['rows_restored']:,} readings were brought back into {job.target}.\n")
        for problem in result.problems:
            sys.stderr.write(f"problem: {one_line(problem)}\n")
    if result.problems:
        raise typer.Exit(1)
