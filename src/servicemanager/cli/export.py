"""`servicemanager export`: old readings into the archive and, once proven, out of the database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from servicemanager.cli.render import one_line, print_json, print_table

if TYPE_CHECKING:
    from servicemanager.export.job import ExportJob
    from servicemanager.export.plan import ExportPlan
    from servicemanager.jobs.job import JobResult
    from servicemanager.service import Service


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export")(_command)


def _command(  # noqa: PLR0913, PLR0917 -- one parameter for each option
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")] = False,
    before: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Take what arrived before this local day, instead of by export.days."),
    ] = None,
    no_purge: Annotated[bool, typer.Option("--no-purge", help="Archive, but delete nothing.")] = False,
    max_rows: Annotated[
        int | None, typer.Option(min=1, help="Stop after the windows that hold this many rows.")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Do it whatever the hour, in spite of export.window.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Archive old readings and, once the archive is proven to hold them, delete them from the database.

    Exit status 0: done. 1: something failed or was held back. 2: wrong settings. 3: another export is at work.
    4: the database or the bucket can't be reached.
    """
    from servicemanager.cli import logs, process
    from servicemanager.service import ExportWishes, Service

    service = Service.configure()
    logs.configure(service.settings.log.format)
    process.settle()
    asked = ExportWishes(before.date() if before else None, no_purge, max_rows, now)
    export(service, asked, dry_run=dry_run, json_output=json_output)


def export(service: Service, asked: object, *, dry_run: bool, json_output: bool) -> None:
    """Raises typer.Exit with 1 where something was found wrong."""
    from servicemanager.service import ExportWishes

    assert isinstance(asked, ExportWishes)  # noqa: S101 -- imported late, so that --help stays fast
    _say_notices(service)
    store = service.store()
    if not service.settings.export.active or store is None:
        reason = "export.active is off" if store else "no bucket is configured (EXPORT_BUCKET)"
        _nothing(reason, json_output=json_output)
        return
    database = service.database()
    try:
        job = service.export_job(database, store, asked)
        if dry_run:
            _print_plan(job.plan(), service, json_output=json_output)
        else:
            _run(service, job, json_output=json_output)
    finally:
        database.close()


def _nothing(reason: str, *, json_output: bool) -> None:
    if json_output:
        print_json({"counts": {}, "problems": [], "notices": [f"Nothing is exported or deleted: {reason}."]})
    else:
        sys.stdout.write(f"Nothing is exported or deleted: {reason}.\n")


def _say_notices(service: Service) -> None:
    for notice in service.notices:
        if notice.startswith("aws.topicArn"):
            continue  # an export notifies nobody
        sys.stderr.write(f"note: {one_line(notice)}\n")
    if service.embedded:
        sys.stderr.write("note: nothing is configured: the embedded database and archive folder are used.\n")


def _run(service: Service, job: ExportJob, *, json_output: bool) -> None:
    from servicemanager.cli.process import account_name, give_up, give_way
    from servicemanager.cli.progress import shown_progress
    from servicemanager.cli.signals import stopped_by_signals
    from servicemanager.jobs.runner import Runner

    if job.wishes.max_rows_per_second:
        give_way()
    with stopped_by_signals() as stop, shown_progress() as progress:
        result = Runner(job.database, service.settings.cluster.lease, progress, stop, give_up).run(
            job, asked_by=account_name()
        )
    if json_output:
        print_json({"counts": result.counts, "problems": result.problems, "notices": result.notices})
    else:
        print_result(result)
    if result.problems:
        raise typer.Exit(1)


_WORDS = {
    "rows_archived": "readings archived",
    "objects": "objects put",
    "bytes": "bytes put",
    "rows_late": "of them late, for days that were archived before",
    "rows_purged": "readings deleted from the database",
    "partitions_purged": "of them with their partitions, by so many",
    "rows_given_back": "readings given back from detached partitions",
    "partitions_dropped": "empty partitions dropped",
    "rows_only_archived": "readings that stand only in the archive",
    "rows_left": "readings left for the next hours of export.window",
}


def print_result(result: JobResult) -> None:
    shown = [(words, result.counts[name]) for name, words in _WORDS.items() if result.counts.get(name)]
    if shown:
        print_table(("what", "number"), [(what, f"{number:,}") for what, number in shown])
    else:
        sys.stdout.write("There was nothing to do.\n")
    for notice in result.notices:
        sys.stderr.write(f"note: {one_line(notice)}\n")
    for problem in result.problems:
        sys.stderr.write(f"problem: {one_line(problem)}\n")


def _pace(plan: ExportPlan, zone: ZoneInfo) -> Iterator[str]:
    pace = plan.pace
    if pace.rows_per_second:
        least = timedelta(seconds=plan.rows // pace.rows_per_second)
        yield f"Pace: at most {pace.rows_per_second:,} readings in a second, so at least {least} for each pass."
    if pace.opens_at:
        yield f"Hours: {pace.hours}. Nothing is done before {pace.opens_at.astimezone(zone):%Y-%m-%d %H:%M} ({zone})."
    elif pace.closes_at:
        yield f"Hours: {pace.hours}. What is not done by {pace.closes_at.astimezone(zone):%H:%M} waits for the next."


def _print_plan(plan: ExportPlan, service: Service, *, json_output: bool) -> None:
    if json_output:
        print_json(plan.to_document())
        return
    zone = service.settings.zone
    sys.stdout.write(f"What arrived before {plan.cutoff.astimezone(zone):%Y-%m-%d %H:%M} ({zone}) is due.\n")
    rows = [
        (p.creation_date, p.window.start_at, p.window.end_at, f"{p.rows:,}", f"{p.bytes_expected:,}", p.action.value)
        for p in plan.windows
    ]
    if rows:
        print_table(("day", "from", "until", "rows", "bytes, about", "what"), rows)
    else:
        sys.stdout.write("There is nothing to do.\n")
    for partition in plan.partitions:
        sys.stdout.write(f"Leaves as a whole: partition {one_line(partition.name)}, {partition.rows:,} rows.\n")
    sys.stdout.write(f"Purge: {plan.purge.value}.\n")
    for sentence in _pace(plan, zone):
        sys.stdout.write(f"{sentence}\n")
    for held in plan.held:
        sys.stdout.write(f"Held back: {held.what}, {held.rows:,} rows: {held.reason.value}.\n")
    for notice in plan.notices:
        sys.stderr.write(f"note: {one_line(notice)}\n")
