"""`servicemanager db`: the database and its archive, looked at and put right by hand."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from servicemanager.cli import db_partition
from servicemanager.cli.render import one_line, print_json, print_table
from servicemanager.errors import ConfigurationError

#: Of InnoDB on the two-core machine of the benchmarks; only for the estimate.
_INDEXED_ROWS_PER_SECOND = 400_000
_INDEX_BYTES_PER_ROW = 25

_commands = typer.Typer(help="Look at the database, and put it and its archive right.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    db_partition.register(_commands)
    app.add_typer(_commands, name="db")


@_commands.callback()
def _group() -> None: ...


@_commands.command("check")
def _check(
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Say what the database looks like, what is in the way, and what would make it faster; change nothing of it.

    Exit status 0: nothing is in the way. 1: something is. 2: wrong settings. 4: the database can't be reached.
    """
    from servicemanager.iotdb.check import Grade, check
    from servicemanager.service import Service

    service = Service.configure()
    database = service.database()
    try:
        facts = service.facts(database)
        with database.reading() as connection:
            cutoff = facts.calendar(service.settings.zone).cutoff(
                database.now(connection), service.settings.export.days
            )
        findings = list(check(database, facts, cutoff))
    finally:
        database.close()
    if json_output:
        print_json([{"what": f.what, "found": f.found, "grade": f.grade.value, "advice": f.advice} for f in findings])
    else:
        print_table(
            ("what", "found", "grade", "advice"), [(f.what, f.found, f.grade.value, f.advice) for f in findings]
        )
    if any(finding.grade is Grade.PROBLEM for finding in findings):
        raise typer.Exit(1)


@_commands.command("upgrade")
def _upgrade(
    facts_index: Annotated[
        bool, typer.Option("--facts-index", help="Also add the index on Facts.creationDate, without stopping inserts.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Bring ServiceManager's own tables up to date; the platform's are changed only when asked.

    Exit status 0: done. 1: refused. 2: wrong settings. 4: the database can't be reached.
    """
    from servicemanager.iotdb.check import FACTS_INDEX, add_facts_index
    from servicemanager.service import Service

    service = Service.configure()
    database = service.database()
    try:
        sys.stdout.write("ServiceManager's own tables are up to date.\n")
        facts = service.facts(database)
        if not facts_index:
            return
        if facts.shape.indexed:
            sys.stdout.write("Facts has an index on creationDate already.\n")
            return
        rows = facts.count_all()
        sys.stdout.write(
            f"{FACTS_INDEX}: {rows:,} rows, about {rows // _INDEXED_ROWS_PER_SECOND + 1:,} seconds and "
            f"{rows * _INDEX_BYTES_PER_ROW:,} bytes. Inserts go on meanwhile.\n"
        )
        if not dry_run:
            add_facts_index(database)
            sys.stdout.write("The index is there.\n")
    finally:
        database.close()


@_commands.command("adopt")
def _adopt(
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Make this database the one whose archive the bucket holds, and journal the objects that it does not know.

    For a database that was moved, restored from a backup, or made anew. Nothing is deleted or overwritten.

    Exit status 0: done. 1: refused. 2: wrong settings. 3: an export is at work. 4: the database or the bucket can't
    be reached.
    """
    from servicemanager.cli import logs, process
    from servicemanager.cli.progress import LogProgress
    from servicemanager.service import Service

    service = Service.configure()
    logs.configure(service.settings.log.format)
    process.settle()
    store = service.store()
    if store is None:
        raise ConfigurationError("There is no archive to adopt: no bucket is configured (EXPORT_BUCKET).")
    database = service.database()
    try:
        adoption = service.adopt(database, store, LogProgress())
    finally:
        database.close()
    if json_output:
        print_json({"objects": adoption.objects, "rows": adoption.rows, "undecided": adoption.undecided})
        return
    sys.stdout.write(
        f"The archive at {one_line(store.url)} is this database's. The journal learnt of {adoption.objects:,} objects "
        f"with {adoption.rows:,} readings.\n"
    )
    for sentence in adoption.undecided:
        sys.stdout.write(f"Undecided: {one_line(sentence)}\n")
