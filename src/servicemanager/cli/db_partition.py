"""`servicemanager db partition`: Facts, by days of arrival."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line, print_json

if TYPE_CHECKING:
    from servicemanager.config import Settings
    from servicemanager.iotdb.partitioning import PartitionPlan
    from servicemanager.service import Service

#: Of silence while the server copies the table.
_LONGEST = timedelta(days=7)


def register(commands: typer.Typer) -> None:
    """Add the command to the group."""
    commands.command("partition")(_partition)


def _partition(
    apply: Annotated[bool, typer.Option("--apply", help="Make the change; inserts wait until it is done.")] = False,
    free_gib: Annotated[
        float | None, typer.Option("--free-gib", min=0, help="How many GiB the server's disk has left.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Say what it would take to partition Facts by days of arrival, so that a purge costs nothing; with --apply, do it.

    Exit status 0: done, or nothing is in the way. 1: refused. 2: wrong settings. 3: an export is at work. 4: the
    database can't be reached.
    """
    from servicemanager.service import Service, partitions

    service = Service.configure()
    database = service.database(_LONGEST)
    try:
        plan = partitions.plan(service, database, int(free_gib * (1 << 30)) if free_gib is not None else None)
        applying = apply and bool(plan.statement) and not plan.obstacles
        if not json_output:
            _print_plan(plan, service)
        if applying:
            partitions.apply(service, database, plan)
    finally:
        database.close()
    if json_output:
        print_json({**asdict(plan), "applied": applying, "online": online_commands(plan, service.settings)})
    elif applying:
        sys.stdout.write("Facts is partitioned.\n")
    if plan.obstacles:
        raise typer.Exit(1)


def _print_plan(plan: PartitionPlan, service: Service) -> None:
    for notice in plan.notices:
        sys.stdout.write(f"{one_line(notice)}\n")
    if plan.statement:
        _print_change(plan)
    if plan.bytes_needed:
        _print_tools(plan, service.settings)
    for obstacle in plan.obstacles:
        sys.stderr.write(f"In the way: {one_line(obstacle)}\n")


def _print_change(plan: PartitionPlan) -> None:
    measured = f"measured with {plan.sampled:,} rows" if plan.sampled else "not measured here"
    free = f"{plan.bytes_free:,} are left" if plan.bytes_free is not None else "nobody can tell what is left"
    sys.stdout.write(
        f"{plan.statement}\n\n"
        f"Rows: about {plan.rows:,}, in {plan.partitions} partitions. Time: about {plan.seconds:,.0f} seconds "
        f"({measured}).\n"
    )
    if plan.bytes_needed:
        sys.stdout.write(f"Space on the server's disk while it works: about {plan.bytes_needed:,} bytes; {free}.\n")
    sys.stdout.write(
        "What the gateway notices: every insert waits until the change is done, or fails if the gateway does not wait "
        "as long. Readers go on. Before it begins, it waits at most one second for other transactions.\n"
    )


def _print_tools(plan: PartitionPlan, settings: Settings) -> None:
    sys.stdout.write(
        "\nWithout an interruption, one of these does the same. So written, each only tries it. To do it, write "
        "--execute: in the place of --dry-run in the first one, at the end of the second one. Both copy what is in "
        "Facts, so let no export run meanwhile (export.active: false).\n"
    )
    for command in online_commands(plan, settings):
        sys.stdout.write(f"\n{command}\n")
    if not plan.has_key:
        sys.stdout.write(
            "\nBoth need a unique key, and Facts has none, so both refuse it as it is, the first one not before "
            "--execute. A key from the columns that are there can't be had, because equal readings are legal. A "
            "further column, as in ADD COLUMN id BIGINT NOT NULL AUTO_INCREMENT, ADD PRIMARY KEY (id, "
            "creationDate), makes the server copy the table while inserts wait, just as the change above does; "
            "and while there is such a column nothing is purged. So for a table without a key the change above, "
            "in a quiet hour, is the shorter way.\n"
        )


def online_commands(plan: PartitionPlan, settings: Settings) -> list[str]:
    """For pt-online-schema-change and gh-ost, as a shell reads them; ADMIN stands for an administrator's account."""
    if not plan.bytes_needed:
        return []
    host, port = settings.mysql.addresses[0]
    # A shell would take backticks for a command; these names need none.
    clause = plan.statement.removeprefix("ALTER TABLE Facts ").replace("`", "")
    name = settings.mysql.database
    percona = (
        f'pt-online-schema-change --alter "{clause}" --set-vars lock_wait_timeout=1 --ask-pass --dry-run '
        f"h={host},P={port},u=ADMIN,D={name},t=Facts"
    )
    ghost = (
        f'gh-ost --alter="{clause}" --host={host} --port={port} --user=ADMIN --ask-pass --database={name} '
        "--table=Facts --allow-on-master --assume-rbr --cut-over-lock-timeout-seconds=1"
    )
    return [percona, ghost]
