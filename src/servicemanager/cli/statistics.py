"""`servicemanager statistics`: what the gateway's filter of noise is told about each sensor."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line, print_json, print_table

if TYPE_CHECKING:
    from servicemanager.iotdb.device_statistics import Line
    from servicemanager.jobs.job import JobResult
    from servicemanager.service import Service, StatisticsWishes
    from servicemanager.statistics.judge import Change
    from servicemanager.statistics.publish import Published

#: Changes that are listed; all of them are counted.
_LISTED = 1_000


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("statistics")(_command)


def _command(
    diff: Annotated[bool, typer.Option("--diff", help="Tell what would change, and publish nothing.")] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Compute everything anew, from the archive and the database.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Publish even where half of the table goes, or readings are missing.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Publish mean, deviation and error of every sensor's readings, archived ones included.

    Exit status 0: done. 1: something failed or was held back. 2: wrong settings. 3: another run is at work.
    4: the database or the bucket can't be reached.
    """
    from servicemanager.cli import logs, process
    from servicemanager.service import Service, StatisticsWishes

    service = Service.configure()
    logs.configure(service.settings.log.format)
    process.settle()
    changes: list[Change] = []
    published: list[Published] = []
    asked = StatisticsWishes(rebuild, force, _first(changes) if diff else None, published.append)
    result = _run(service, asked)
    if json_output:
        unfit = [{**_plain(line), "reason": reason} for each in published for line, reason in each.judged.unfit]
        print_json(
            {
                "counts": result.counts,
                "problems": result.problems,
                "notices": result.notices,
                "changes": [_document(change) for change in changes],
                "unfit": unfit,
            }
        )
    else:
        _print(result, changes, published)
    if result.problems:
        raise typer.Exit(1)


def _first(changes: list[Change]) -> Callable[[Change], None]:
    return lambda change: changes.append(change) if len(changes) < _LISTED else None


def _run(service: Service, asked: StatisticsWishes) -> JobResult:
    from servicemanager.cli.process import account_name, give_up
    from servicemanager.cli.progress import shown_progress
    from servicemanager.cli.signals import stopped_by_signals
    from servicemanager.jobs.runner import Runner

    database = service.database()
    try:
        job = service.statistics_job(database, asked)
        with stopped_by_signals() as stop, shown_progress() as progress:
            return Runner(database, service.settings.cluster.lease, progress, stop, give_up).run(
                job, asked_by=account_name()
            )
    finally:
        database.close()


_WORDS = {
    "pairs_published": "sensors published",
    "pairs_unfit": "sensors that the filter can't be used for",
    "pairs_new": "sensors that would be new",
    "pairs_changed": "sensors that would change",
    "pairs_gone": "sensors that would go",
    "pairs_same": "sensors that would stay the same",
    "days_summed_up": "days summed up",
    "objects_counted": "archived objects counted",
}


def _print(result: JobResult, changes: list[Change], published: list[Published]) -> None:
    shown = [(words, f"{result.counts[name]:,}") for name, words in _WORDS.items() if name in result.counts]
    print_table(("what", "number"), shown)
    if changes:
        print_table(("change", "device", "sensor", "average", "was", "deviation", "was"), list(map(_row, changes)))
    for each in published:
        rows = [(name(line), line.sensor, line.average, line.deviation, why.value) for line, why in each.judged.unfit]
        if rows:
            print_table(("device", "sensor", "average", "deviation", "unfit, because"), rows)
    for notice in result.notices:
        sys.stderr.write(f"note: {one_line(notice)}\n")
    for problem in result.problems:
        sys.stderr.write(f"problem: {one_line(problem)}\n")


def name(line: Line) -> str:
    """A device for people; bytes that are no text as escapes."""
    return line.device.decode(errors="backslashreplace")


def _row(change: Change) -> tuple[object, ...]:
    line = change.after or change.before
    assert line is not None  # noqa: S101 -- a change has one of them
    now, was = change.after, change.before
    figures = (now and now.average, was and was.average, now and now.deviation, was and was.deviation)
    return (change.kind.value, name(line), line.sensor, *figures)


def _document(change: Change) -> dict[str, object]:
    before, after = change.before and _plain(change.before), change.after and _plain(change.after)
    return {"kind": change.kind.value, "before": before, "after": after}


def _plain(line: Line) -> dict[str, object]:
    figures = {"average": line.average, "deviation": line.deviation, "error": line.error}
    return {"device": name(line), "sensor": line.sensor, **figures}
