"""`servicemanager run-job`: any job, once, whole, under its lease."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line, print_json, print_table
from servicemanager.errors import DatabaseUnreachable

if TYPE_CHECKING:
    from servicemanager.jobs.job import JobResult
    from servicemanager.service import Service
    from servicemanager.service.tasks import Task


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("run-job")(_command)


def _command(
    name: Annotated[str, typer.Argument(help="The job: devices, history, statistics, export or messages.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Run a job once, whole, as the schedule would.

    Exit status 0: done. 1: something failed, or a message waits to be delivered. 2: wrong settings, or no such job.
    3: another run of the job is at work. 4: the database or the bucket can't be reached.
    """
    from servicemanager.cli import logs, process
    from servicemanager.service import Service
    from servicemanager.service.tasks import task_of

    task = task_of(name)
    service = Service.configure()
    logs.configure(service.settings.log.format)
    process.settle()
    # What is wrong with a channel is found at the start, whether or not there is something to send.
    channels = service.channels(sys.stderr if json_output else None)
    try:
        result = _run(service, task, json_output=json_output)
    except DatabaseUnreachable as error:
        if task.name == "devices":
            for failure in service.lost_database().tell(channels, error, datetime.now(UTC)):
                sys.stderr.write(f"problem: {one_line(failure)}\n")
        raise
    _tell(result, json_output=json_output)
    if result.problems:
        raise typer.Exit(1)


def _run(service: Service, task: Task, *, json_output: bool) -> JobResult:
    from servicemanager.cli.process import give_up
    from servicemanager.cli.progress import shown_progress
    from servicemanager.cli.signals import stopped_by_signals
    from servicemanager.jobs.runner import Runner

    database = service.database()
    try:
        if task.name == "devices":
            service.lost_database().tell_end(database)
        job = task.make(service, database, sys.stderr if json_output else None)
        with stopped_by_signals() as stop, shown_progress() as progress:
            return Runner(database, service.settings.cluster.lease, progress, stop, give_up).run(job)
    finally:
        database.close()


def _tell(result: JobResult, *, json_output: bool) -> None:
    if json_output:
        print_json({"counts": result.counts, "problems": result.problems, "notices": result.notices})
        return
    shown = [(name.replace("_", " "), f"{number:,}") for name, number in result.counts.items()]
    print_table(("what", "number"), shown)
    for notice in result.notices:
        sys.stderr.write(f"note: {one_line(notice)}\n")
    for problem in result.problems:
        sys.stderr.write(f"problem: {one_line(problem)}\n")
