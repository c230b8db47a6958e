"""The command `servicemanager`: its groups of commands, and the one place where errors become exit statuses."""

from __future__ import annotations

import sys

import typer

from servicemanager import __version__
from servicemanager.cli import (
    config,
    db,
    demo,
    devices,
    export,
    lake,
    messages,
    notify,
    query,
    restore,
    run,
    run_job,
    silence,
    statistics,
    status,
    verify,
)
from servicemanager.cli.render import one_line
from servicemanager.errors import ServiceManagerError

app = typer.Typer(
    name="servicemanager",
    help="The maintenance service of the Meccano IoT platform.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
config.register(app)
db.register(app)
demo.register(app)
devices.register(app)
export.register(app)
lake.register(app)
messages.register(app)
notify.register(app)
query.register(app)
restore.register(app)
run.register(app)
run_job.register(app)
silence.register(app)
statistics.register(app)
status.register(app)
verify.register(app)


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"servicemanager {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None: ...


def main() -> None:
    """Run the command line; exits with the status that `errors` lists."""
    try:
        app()
    except ServiceManagerError as error:
        for line in str(error).splitlines() or [type(error).__name__]:
            sys.stderr.write(f"servicemanager: {one_line(line)}\n")
        sys.exit(error.exit_status)
