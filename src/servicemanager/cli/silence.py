"""`servicemanager silence`: maintenance windows, in which nobody wants to be told."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from servicemanager.cli.render import one_line, print_document, print_table
from servicemanager.errors import ConfigurationError

if TYPE_CHECKING:
    from servicemanager.alerts.silence import Target
    from servicemanager.iotdb.engine import Database
    from servicemanager.service import Service
    from servicemanager.web.documents.incidents import AddSilence, Silence

_commands = typer.Typer(help="Maintenance windows, in which nobody wants to be told.", no_args_is_help=True)
_SPAN = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}


def register(app: typer.Typer) -> None:
    """Add the group to the application."""
    app.add_typer(_commands, name="silence")


@_commands.callback()
def _group() -> None: ...


@_commands.command("add")
def _add(  # noqa: PLR0913, PLR0917 -- one parameter for each option
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the list.")],
    device: Annotated[str | None, typer.Option(help="Silence this device.")] = None,
    group: Annotated[str | None, typer.Option(help="Silence the devices of this group.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Silence the devices of this type.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="Silence a trouble that is none of a device, such as job:export.")
    ] = None,
    for_: Annotated[
        str | None, typer.Option("--for", help="How long: 30m, 2h or 3d; with --cron, of each recurrence.")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Until this local time; with --cron, of the last."),
    ] = None,
    cron: Annotated[
        str | None, typer.Option(help="Begin anew whenever this pattern fires, for as long as --for.")
    ] = None,
) -> None:
    """Tell nobody of a device, a group, a type or another trouble for a while. What is true at its end is told then.

    Exit status 0: done. 2: wrong options or settings. 4: the database can't be reached.
    """
    from servicemanager.cli.process import account_name
    from servicemanager.service.desk.silences import save_silence

    with _database() as (service, database):
        zone = service.settings.zone
        target, name = _target({"device": device, "group": group, "type": type_, "subject": subject})
        span, ends_at = _span(for_) if for_ else None, until.replace(tzinfo=zone) if until else None
        asked = _asked(target=target, name=name, reason=reason, seconds=span, ends_at=ends_at, cron=cron)
        silence = save_silence(database, zone, asked, account_name())
        sys.stdout.write(f"Silence {silence.number}: {target.value} {one_line(name)} {_when(silence, zone)}.\n")


@_commands.command("list")
def _list(
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """List the silences that are in force or still to come.

    Exit status 0: done. 2: wrong settings. 4: the database can't be reached.
    """
    from servicemanager.service.desk.silences import fetch_silences

    with _database() as (service, database):
        zone = service.settings.zone
        silences = fetch_silences(database, zone)
    columns = ("number", "what", "name", "in force", "when", "reason", "by")
    rows = [
        (s.number, s.target.value, s.name, "yes" if s.in_force else "no", _when(s, zone), s.reason, s.by)
        for s in silences
    ]
    if json_output:
        print_document(silences)
    elif rows:
        print_table(columns, rows)
    else:
        sys.stdout.write("There are no silences.\n")


@_commands.command("remove")
def _remove(number: Annotated[int, typer.Argument(help="The silence's number, as the list shows it.")]) -> None:
    """End a silence. What is true then is told at the next check.

    Exit status 0: done. 2: there is no such silence, or wrong settings. 4: the database can't be reached.
    """
    from servicemanager.service.desk.silences import end_silence

    with _database() as (_, database):
        end_silence(database, number)
    sys.stdout.write(f"Silence {number} is removed.\n")


@contextmanager
def _database() -> Iterator[tuple[Service, Database]]:
    from servicemanager.service import Service

    service = Service.configure()
    database = service.database()
    try:
        yield service, database
    finally:
        database.close()


def _target(options: Mapping[str, str | None]) -> tuple[Target, str]:
    from servicemanager.alerts.silence import Target

    named = [(Target(option), name) for option, name in options.items() if name]
    if len(named) != 1:
        raise ConfigurationError("Name what shall be silent: one of --device, --group, --type and --subject.")
    return named[0]


def _asked(**wishes: object) -> AddSilence:
    """Raises ConfigurationError where an option is beyond what is ever meant."""
    from pydantic import ValidationError

    from servicemanager.web.documents.incidents import AddSilence

    try:
        return AddSilence.model_validate(wishes)
    except ValidationError as error:
        raise ConfigurationError(*(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from error


def _span(text: str) -> int:
    """Seconds."""
    match = _SPAN.fullmatch(text)
    if match is None or not 0 < int(match[1]) <= 100_000:  # noqa: PLR2004 -- some months, in minutes
        raise ConfigurationError("--for should be a number with the unit m, h or d, such as 30m, 2h or 3d.")
    return int(match[1]) * _UNITS[match[2]]


def _when(silence: Silence, zone: ZoneInfo) -> str:
    end = f"until {silence.ends_at.astimezone(zone):%Y-%m-%d %H:%M}" if silence.ends_at else "until it is removed"
    if silence.cron and silence.duration_seconds:
        return f'for {silence.duration_seconds // 60} minutes from each "{silence.cron}", {end}'
    return end
