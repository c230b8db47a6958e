"""`servicemanager run`: the service, in the foreground, until it is told to stop."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line

if TYPE_CHECKING:
    from servicemanager.service.handed_down import Configuration


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("run")(_command)


def _command(
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over", help="Lead even though the last master, who will not come back, worked by other settings."
        ),
    ] = False,
) -> None:
    """Run the service: all jobs on their schedules, alone or as one of several instances.

    SIGTERM or SIGINT ends it in an orderly way, within ten seconds; SIGHUP makes it read its configuration again.
    Exit status 0: it was told to end. 1: it can't run, for instance because its port is taken. 2: wrong settings.
    """
    from servicemanager.cli import logs, process
    from servicemanager.cli.signals import stopped_by_signals
    from servicemanager.service.daemon import Daemon
    from servicemanager.service.handed_down import Configuration

    environ, directory = dict(os.environ), Path.cwd()
    configuration = Configuration.read(environ, directory)
    process.share_one_arena()
    hangup = threading.Event()
    with stopped_by_signals(hangup) as stop:
        daemon = Daemon(configuration, lambda: Configuration.read(environ, directory), stop, take_over=take_over)
        logs.configure(configuration.service.settings.log.format, lambda: daemon.keeper.role.value)
        _banner(configuration)
        daemon.run(hangup)
    if daemon.starts_anew:
        sys.stderr.flush()
        # As it was started, but for a permission that counted once.
        arguments = [argument for argument in sys.orig_argv[1:] if argument != "--take-over"]
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 -- ourselves


def _banner(configuration: Configuration) -> None:
    """The settings in force, secrets masked, and where each came from that somebody set."""
    import structlog

    from servicemanager import __version__
    from servicemanager.config.load import DEFAULT_ORIGIN

    log = structlog.get_logger()
    loaded = configuration.loaded
    if sys.stderr.isatty():
        from servicemanager.cli.config import rows

        sys.stderr.write(f"ServiceManager {__version__}. Settings that differ from their defaults:\n")
        for key, value, origin in rows(loaded):
            if origin != DEFAULT_ORIGIN:
                sys.stderr.write(f"  {one_line(key)} = {one_line(value)}  ({one_line(origin)})\n")
    else:
        from servicemanager.config import SETTINGS, render, value_of

        effective = {setting.key: render(value_of(loaded.settings, setting)) for setting in SETTINGS}
        log.info("starting", version=__version__, settings=effective)
    if loaded.embedded:
        log.warning(
            "nothing is configured",
            note="The embedded database and an archive folder below ./servicemanager-data are used, and notices go to "
            "the console.",
        )
    for notice in loaded.notices:
        log.warning("notice", note=notice)
