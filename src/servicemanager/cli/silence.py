"""`servicemanager silence`: maintenance windows, in which nobody wants to be told."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from servicemanager.cli.render import one_line, print_json, print_table
from servicemanager.errors import ConfigurationError

if TYPE_CHECKING:
    from servicemanager.alerts.silence import Silence, Target
    from servicemanager.iotdb.engine import Database
    from servicemanager.service import Service

_commands = typer.Typer(help="Maintenance windows, in which nobody wants to be told.", no_args_is_help=True)
_SPAN = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_LONGEST_NAME, _LONGEST_SUBJECT = 20, 190
_LONGEST_REASON = 255


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
    from servicemanager.alerts.silences import add_silence

    with _database() as (service, database):
        with database.transaction() as tx:
            # Whole seconds, as a check counts: it may come within this one.
            now = database.now(tx).replace(microsecond=0)
            target, name = _target({"device": device, "group": group, "type": type_, "subject": subject})
            silence = _silence(target, name, reason, now, service.settings.zone, for_=for_, until=until, cron=cron)
            number = add_silence(tx, silence)
        sys.stdout.write(
            f"Silence {number}: {target.value} {one_line(name)} {_when(silence, service.settings.zone)}.\n"
        )


@_commands.command("list")
def _list(
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """List the silences that are in force or still to come.

    Exit status 0: done. 2: wrong settings. 4: the database can't be reached.
    """
    from servicemanager.alerts.silences import load_silences

    with _database() as (service, database), database.reading() as connection:
        now, zone = database.now(connection), service.settings.zone
        silences = [s for s in load_silences(connection) if s.ends_at is None or s.ends_at > now]
    columns = ("number", "what", "name", "in force", "when", "reason")
    rows = [
        (s.number, s.target.value, s.name, "yes" if s.holds(now, zone) else "no", _when(s, zone), s.reason)
        for s in silences
    ]
    if json_output:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif rows:
        print_table(columns, rows)
    else:
        sys.stdout.write("There are no silences.\n")


@_commands.command("remove")
def _remove(number: Annotated[int, typer.Argument(help="The silence's number, as the list shows it.")]) -> None:
    """End a silence. What is true then is told at the next check.

    Exit status 0: done. 2: there is no such silence, or wrong settings. 4: the database can't be reached.
    """
    from servicemanager.alerts.silences import remove_silences

    with _database() as (_, database), database.transaction() as tx:
        if not remove_silences(tx, [number]):
            raise ConfigurationError(f"There is no silence {number}: servicemanager silence list shows all.")
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
    if len(named) == 1:
        target, name = named[0]
        if len(name) <= (_LONGEST_SUBJECT if target is Target.SUBJECT else _LONGEST_NAME):
            return target, name
    raise ConfigurationError(
        f"Name one of --device, --group and --type, with a name of up to {_LONGEST_NAME} characters, or --subject."
    )


def _silence(  # noqa: PLR0913 -- one parameter for each option
    target: Target,
    name: str,
    reason: str,
    now: datetime,
    zone: ZoneInfo,
    *,
    for_: str | None,
    until: datetime | None,
    cron: str | None,
) -> Silence:
    """Raises ConfigurationError where the options do not fit together."""
    from servicemanager.alerts.silence import Silence

    duration = _span(for_) if for_ else None
    ends_at = until.replace(tzinfo=zone).astimezone(UTC) if until else None
    if len(reason) > _LONGEST_REASON or (ends_at and ends_at <= now):
        raise ConfigurationError("The reason has up to 255 characters, and the end lies in the future.")
    if cron is None:
        if (duration is None) == (ends_at is None):
            raise ConfigurationError("Say how long: one of --for and --until.")
        return Silence(target, name, reason, now, ends_at or (now + duration if duration else None))
    if duration is None:
        raise ConfigurationError("A silence that recurs needs --for: how long each recurrence lasts.")
    return Silence(target, name, reason, now, ends_at, _pattern(cron), duration)


def _pattern(cron: str) -> str:
    from servicemanager.config.values import parse_cron

    try:
        parse_cron(cron)
    except ValueError as error:
        raise ConfigurationError(
            f'--cron should be a cron pattern of five fields, such as "0 22 * * *": {error}.'
        ) from error
    return cron


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None or not 0 < int(match[1]) <= 100_000:  # noqa: PLR2004 -- some months, in minutes
        raise ConfigurationError("--for should be a number with the unit m, h or d, such as 30m, 2h or 3d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _when(silence: Silence, zone: ZoneInfo) -> str:
    end = f"until {silence.ends_at.astimezone(zone):%Y-%m-%d %H:%M}" if silence.ends_at else "until it is removed"
    if silence.cron and silence.duration:
        minutes = int(silence.duration.total_seconds()) // 60
        return f'for {minutes} minutes from each "{silence.cron}", {end}'
    return end
