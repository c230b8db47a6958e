"""`servicemanager config`: the settings in force, and where each came from.

Secrets are masked before anything else sees them. Everything heavy is imported inside the command.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line, print_document, print_table

if TYPE_CHECKING:
    from servicemanager.config import Loaded


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("config")(_command)


def _command(
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")] = False,
) -> None:
    """Print the settings in force, secrets masked, and where each came from.

    Exit status 0: they can be used. 2: something is wrong with them; every mistake is listed.
    """
    config_command(json_output)


def config_command(json_output: bool) -> None:
    """Load the settings of this process's environment and folder, and print them."""
    from servicemanager.config import load
    from servicemanager.service.desk.configuration import configuration_document

    loaded = load(os.environ, Path.cwd())
    if json_output:
        print_document(configuration_document(loaded))
        return
    if loaded.embedded:
        sys.stderr.write("note: nothing is configured: the embedded database and archive folder are used.\n")
    print_table(("setting", "value", "from"), rows(loaded))
    for notice in loaded.notices:
        sys.stderr.write(f"note: {one_line(notice)}\n")


def rows(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Key, value as one writes it, and origin."""
    from servicemanager.config import SETTINGS, render, value_of

    return [
        (setting.key, render(value_of(loaded.settings, setting)), loaded.origins[setting.key]) for setting in SETTINGS
    ]
