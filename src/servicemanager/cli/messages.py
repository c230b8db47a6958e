"""`servicemanager messages`: old messages to devices, cleared."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line, print_json, print_table

if TYPE_CHECKING:
    from servicemanager.messages.cleanup import MessagesJob
    from servicemanager.service import Service


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("messages")(_command)


def _command(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be deleted, and change nothing.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Delete messages that their devices read long ago, and others only where a setting says so.

    Exit status 0: done. 1: something failed. 2: wrong settings. 3: another run is at work. 4: the database can't
    be reached.
    """
    from servicemanager.cli import logs, process
    from servicemanager.service import Service

    service = Service.configure()
    logs.configure(service.settings.log.format)
    process.settle()
    database = service.database()
    try:
        job = service.messages_job(database)
        counts, notices = (_planned(job), ()) if dry_run else _run(service, job)
    finally:
        database.close()
    if json_output:
        print_json({"counts": counts, "notices": notices})
        return
    if counts:
        print_table(("messages", "number"), [(what, f"{number:,}") for what, number in sorted(counts.items())])
    else:
        sys.stdout.write("There is nothing to do.\n")
    for notice in notices:
        sys.stderr.write(f"note: {one_line(notice)}\n")


def _planned(job: MessagesJob) -> dict[str, int]:
    from servicemanager.messages.cleanup import NO_GROUP

    return {
        f"{due.rule.kind}, {name or NO_GROUP}": number for due in job.plan() for name, number in due.by_group.items()
    }


def _run(service: Service, job: MessagesJob) -> tuple[dict[str, int], tuple[str, ...]]:
    from servicemanager.cli.process import account_name, give_up
    from servicemanager.cli.progress import shown_progress
    from servicemanager.cli.signals import stopped_by_signals
    from servicemanager.jobs.runner import Runner

    with stopped_by_signals() as stop, shown_progress() as progress:
        result = Runner(job.database, service.settings.cluster.lease, progress, stop, give_up).run(
            job, asked_by=account_name()
        )
    return dict(result.counts), result.notices
