"""`servicemanager devices`: a look at the devices' health that changes nothing and tells nobody."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line, print_document, print_table
from servicemanager.errors import NotFound

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
    from servicemanager.health import explain as explaining
    from servicemanager.service import Service
    from servicemanager.service.desk.devices import device_documents

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
        print_document(device_documents(shown))
    elif explain is not None:
        sys.stdout.write(f"{one_line(explaining.explain(shown[0], seen.view.horizon, seen.now))}\n")
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

    device = check.devices.find(connection, name, seen.now)
    if device is None:
        raise NotFound("No device of that name is registered or has announced itself: check its spelling.")
    return assess(device, seen.view.horizon, check.rules.limits)


def _place(one: Assessment) -> tuple[str, str]:
    return one.device.group or "", one.device.name


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds()) // 60


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
