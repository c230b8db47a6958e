"""`servicemanager notify`: the ways to people, tried."""

from __future__ import annotations

from typing import Annotated

import typer

from servicemanager.cli.render import print_json, print_table
from servicemanager.errors import NotDelivered

_commands = typer.Typer(help="Try the ways to people.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    app.add_typer(_commands, name="notify")


@_commands.callback()
def _group() -> None: ...


@_commands.command("test")
def _test(
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Send a test message through each channel, and say what came back. Asks no database.

    Exit status 0: every channel took it. 1: one did not. 2: wrong settings.
    """
    import sys

    from servicemanager.service import Service

    service = Service.configure(needs_database=False)
    subject = "Test message of ServiceManager"
    body = "If you read this, this way to you works. Nothing has happened, and nothing is expected of you."
    answers = []
    for channel in service.channels(sys.stderr if json_output else None):
        try:
            answers.append((channel.name, "taken", channel.send(subject, body)))
        except NotDelivered as error:
            answers.append((channel.name, "failed" if error.retryable else "refused", str(error)))
    columns = ("channel", "outcome", "answer")
    if json_output:
        print_json([dict(zip(columns, answer, strict=True)) for answer in answers])
    else:
        print_table(columns, answers)
    if any(outcome != "taken" for _, outcome, _ in answers):
        raise typer.Exit(1)
