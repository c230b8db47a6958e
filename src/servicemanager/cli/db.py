"""`servicemanager db`: the database and its archive, put right by hand."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from servicemanager.cli.render import one_line, print_json
from servicemanager.errors import ConfigurationError

_commands = typer.Typer(help="The database and its archive, put right by hand.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    app.add_typer(_commands, name="db")


@_commands.callback()
def _group() -> None: ...


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
