"""`servicemanager devices`: a look at the devices' health that changes nothing and tells nobody."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line, print_json, print_table
from servicemanager.errors import ConfigurationError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from servicemanager.health.assess import Assessment
    from servicemanager.health.check import Check, Seen


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("devices")(_command)


def _command(
    silent_only: Annotated[
        bool, typer.Option("--silent-only", help="Only devices that are silent or never seen.")
    ] = False,
    group: Annotated[str | None, typer.Option(help="Only the devices of this group.")] = None,
    explain: Annotated[str | None, typer.Option(help="Say of this device why it counts as what it does.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Show how the devices are, by group. Changes nothing, and tells nobody.

    Exit status 0: no device is silent. 1: one is, or the one to be explained does not exist. 2: wrong settings.
    4: the database can't be reached.
    """
    from servicemanager.service import Service

    service = Service.configure()
    database = service.database()
    try:
        check = service.check(database)
        with database.reading() as connection:
            seen = check.look(connection)
            if explain is not None:
                shown = [_one(check, connection, seen, explain)]
            else:
                shown = sorted(_assessed(check, connection, seen, group, silent_only=silent_only), key=_place)
    finally:
        database.close()
    if json_output:
        print_json([_document(one) for one in shown])
    elif explain is not None:
        sys.stdout.write(f"{one_line(sentence(shown[0], seen))}\n")
    else:
        _print(shown, seen)
    if any(one.is_alarming for one in shown):
        raise typer.Exit(1)


def _assessed(
    check: Check, connection: sa.Connection, seen: Seen, group: str | None, *, silent_only: bool
) -> Iterator[Assessment]:
    from servicemanager.health.assess import assess

    if silent_only:
        yield from (one for one in seen.alarming if group in {None, one.device.group})
        return
    limits = check.rules.limits
    for device in check.devices.fetch_all(connection, seen.now, group):
        yield assess(device, seen.view.horizon, limits)
    if group is None:
        for device in check.devices.fetch_foreign(connection, seen.now - limits.general, seen.now):
            yield assess(device, seen.view.horizon, limits)


def _one(check: Check, connection: sa.Connection, seen: Seen, name: str) -> Assessment:
    from servicemanager.health.assess import assess

    limits = check.rules.limits
    device = check.devices.fetch(connection, [name], seen.now).get(name)
    if device is None:
        foreign = check.devices.fetch_foreign(connection, datetime.fromtimestamp(0, UTC), seen.now)
        device = next((one for one in foreign if one.name == name), None)
    if device is None:
        raise ConfigurationError("No device of that name is registered or has announced itself: check its spelling.")
    return assess(device, seen.view.horizon, limits)


def _place(one: Assessment) -> tuple[str, str]:
    return one.device.group or "", one.device.name


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds()) // 60


def _document(one: Assessment) -> dict[str, object]:
    return {
        "device": one.device.name,
        "group": one.device.group,
        "type": one.device.type,
        "version": one.device.version,
        "status": one.status.value,
        "seen_at": one.device.seen_at,
        "silent_minutes": _minutes(one.silence),
        "limit_minutes": _minutes(one.limit),
    }


def _print(shown: Iterable[Assessment], seen: Seen) -> None:
    rows = [
        (one.device.group, one.device.name, one.status.value, one.device.seen_at and _minutes(one.silence), one.limit)
        for one in shown
    ]
    if rows:
        columns = ("group", "device", "status", "minutes since heard", "limit")
        print_table(columns, [(*row[:4], _minutes(row[4])) for row in rows])
    else:
        sys.stdout.write("There is no such device.\n" if not seen.alarming else "None of them is silent.\n")


def sentence(one: Assessment, seen: Seen) -> str:
    """Why the device counts as what it does, with the numbers."""
    from servicemanager.health.assess import Status

    silence, limit, seen_at = _minutes(one.silence), _minutes(one.limit), one.device.seen_at
    late = sum(_minutes(gap.end_at - gap.start_at) for gap in seen.view.horizon.gaps)
    aside = f" Outages of everything, {late} minutes of late, do not count." if late else ""
    heard = f"it was last heard {silence} minutes ago, and the limit is {limit} minutes.{aside}"
    if seen_at is None:
        heard = f"it was approved {silence} minutes ago, and has {limit} minutes to be heard first.{aside}"
    elif seen_at > seen.now:
        heard = f"its last announcement lies in the future, at {seen_at:%Y-%m-%d %H:%M} UTC."
    because = {
        Status.FOREIGN: f"it announces itself, last {silence} minutes ago, and is not registered.",
        Status.WAITING: "it is registered without a group, so its silence alarms nobody.",
    }
    return f"{one.device.name} is {one.status}: {because.get(one.status, heard)}"
