"""`servicemanager run-job`: any job, once, whole, under its lease; also as a child of the daemon."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from servicemanager.cli.render import one_line, print_json, print_table
from servicemanager.errors import DatabaseUnreachable, ServiceManagerError, Stopped

if TYPE_CHECKING:
    from servicemanager.jobs.job import JobResult, Progress
    from servicemanager.service import Service
    from servicemanager.service.tasks import Task


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("run-job")(_command)


def _command(
    name: Annotated[
        str, typer.Argument(help="The job: devices, history, statistics, export, messages, housekeeping or selfcare.")
    ],
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    child_of: Annotated[str | None, typer.Option(hidden=True)] = None,
    scheduled_for: Annotated[str | None, typer.Option(hidden=True)] = None,
    asked_by: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run a job once, whole, as the schedule would.

    Exit status 0: done. 1: something failed, or a message waits to be delivered. 2: wrong settings, or no such job.
    3: another run of the job is at work. 4: the database or the bucket can't be reached.
    """
    from servicemanager.cli import logs, process
    from servicemanager.cli.progress import shown_progress
    from servicemanager.service import Service
    from servicemanager.service.tasks import task_of

    task = task_of(name)
    service = Service.configure()
    logs.configure(service.settings.log.format, (lambda: child_of) if child_of else None)
    process.settle()
    if child_of:
        firing = datetime.fromisoformat(scheduled_for) if scheduled_for else None
        raise typer.Exit(_run_as_child(service, task, _Asked(firing, asked_by)))
    with shown_progress() as progress:
        asked = _Asked(None, process.account_name())
        result = _run(service, task, progress, sys.stderr if json_output else None, asked)
    _tell(result, json_output=json_output)
    if result.problems:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Asked:
    """Why there is a run: a firing of the job's pattern, or a person."""

    scheduled_for: datetime | None
    by: str | None


def _run_as_child(service: Service, task: Task, asked: _Asked) -> int:
    """A run whose console is the daemon's: everything is said in lines of the log. Return the exit status."""
    import structlog

    from servicemanager.cli.progress import LogProgress

    with _ending_with_the_daemon(), structlog.contextvars.bound_contextvars(job=task.name):
        log = structlog.get_logger()
        try:
            result = _run(service, task, LogProgress(), sys.stderr, asked)
        except Stopped as error:
            log.info("run stopped", reason=str(error))
            return error.exit_status
        except ServiceManagerError as error:
            log.error("run failed", error=str(error), again=error.retryable)  # noqa: TRY400 -- the sentence says it all
            return error.exit_status
        for notice in result.notices:
            log.warning("notice", note=notice)
        for problem in result.problems:
            log.error("problem", problem=problem)
        log.info("run ended", **result.counts)
        return 1 if result.problems else 0


@contextmanager
def _ending_with_the_daemon() -> Iterator[None]:
    """Stop as if told to when stdin ends: the daemon holds its other end, and is gone then."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="daemon's end", daemon=True).start()
    yield


def _run(service: Service, task: Task, progress: Progress, console: TextIO | None, asked: _Asked) -> JobResult:
    # What is wrong with a channel is found at the start, whether or not there is something to send.
    channels = service.channels(console)
    try:
        return _run_connected(service, task, progress, console, asked)
    except DatabaseUnreachable as error:
        if task.name == "devices":
            for failure in service.lost_database().tell(channels, error, datetime.now(UTC)):
                sys.stderr.write(f"problem: {one_line(failure)}\n")
        raise


def _run_connected(
    service: Service, task: Task, progress: Progress, console: TextIO | None, asked: _Asked
) -> JobResult:
    from servicemanager.cli.process import give_up, give_way
    from servicemanager.cli.signals import stopped_by_signals
    from servicemanager.jobs.runner import Runner

    database = service.database()
    try:
        if task.name == "devices":
            service.lost_database().tell_end(database)
        job = task.make(service, database, console)
        if task.name == "export" and service.settings.export.max_rows_per_second:
            give_way()
        with stopped_by_signals() as stop:
            runner = Runner(database, service.settings.cluster.lease, progress, stop, give_up)
            return runner.run(job, asked.scheduled_for, asked.by)
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
