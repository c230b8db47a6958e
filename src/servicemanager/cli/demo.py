"""`servicemanager demo`: the service at work on a simulated fleet, on nothing but this machine."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line, print_table

if TYPE_CHECKING:
    from servicemanager.demo.outage import Outage
    from servicemanager.demo.show import Demonstration
    from servicemanager.health.report import Message


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("demo")(_command)


def _command(
    once: Annotated[bool, typer.Option("--once", help="End when everything was shown once.")] = False,
    folder: Annotated[
        Path, typer.Option(help="Where the demo's database and archive are made; an earlier demo's are replaced.")
    ] = Path("servicemanager-demo"),
) -> None:
    """Simulate a fleet, archive and purge its old readings, prove that nothing was lost, and let a shop fall silent.

    Exit status 0: nothing was lost or doubled. 1: something was, or the demo failed.
    """
    from servicemanager.cli import logs, process
    from servicemanager.cli.progress import shown_progress
    from servicemanager.config import LogFormat
    from servicemanager.demo.show import show

    del once  # the only way so far
    logs.configure(LogFormat.AUTO)
    process.settle()
    sys.stdout.write("A simulated fleet reports for twelve days; then its old readings move into an archive.\n")
    with shown_progress() as progress:
        shown = show(folder, datetime.now(UTC).replace(microsecond=0), progress)
    tell(shown)
    archived = shown.nothing_lost_or_doubled and shown.archive.is_fine and not shown.result.problems
    if not (archived and shown.outage.was_told_once):
        raise typer.Exit(1)


def tell(shown: Demonstration) -> None:
    """Print what happened, in plain words, and where to look next."""
    counts = shown.result.counts
    rows = [
        ("readings that the fleet made", shown.made.rows),
        ("archived, because they arrived before today", counts.get("rows_archived", 0)),
        ("objects in the archive, a Parquet file for each day", counts.get("objects", 0)),
        ("bytes in the archive", counts.get("bytes", 0)),
        ("read again from the archive and found right", shown.archive.rows),
        ("deleted from the database", counts.get("rows_purged", 0)),
        ("left in the database: today's", shown.left.rows),
    ]
    print_table(("what happened", "number"), [(what, f"{number:,}") for what, number in rows])
    proof = "agree in every column" if shown.nothing_lost_or_doubled else "DIFFER"
    sys.stdout.write(f"\nNothing lost, nothing doubled: what was made, and archive plus database, {proof}.\n")
    _tell_noise(shown)
    sys.stdout.write("\nIn the data were, among others:\n")
    for episode in shown.episodes[1:]:
        sys.stdout.write(f"  - {one_line(episode.sentence)}\n")
    _tell_outage(shown.outage)
    sys.stdout.write(
        f"\nLook around: cd {shown.folder}, then `servicemanager verify`, `servicemanager export --dry-run`, "
        "`servicemanager config`.\n"
    )


def _tell_outage(outage: Outage) -> None:
    sys.stdout.write(f"\nThen {outage.shop} loses its power. After the limit, a check tells it, once:\n")
    _tell_message(outage.down)
    if outage.next_check is None:
        sys.stdout.write("\nThe next check tells nothing, for nothing is new. The power comes back:\n")
    _tell_message(outage.up)


def _tell_message(message: Message | None) -> None:
    if message:
        for line in (message.subject, *message.body.splitlines()):
            sys.stdout.write(f"  | {one_line(line)}".rstrip() + "\n")


def _tell_noise(shown: Demonstration) -> None:
    sys.stdout.write(
        "\nThe ten noisiest sensors, and how many of their readings the gateway's filter would have thrown away:\n"
    )
    rows = [
        (
            each.line.device.decode(),
            each.line.sensor,
            f"{each.line.average:.1f}",
            f"{each.line.deviation:.1f}",
            f"{each.limit:.0f}",
            f"{each.readings:,}",
            f"{each.thrown_away:,}",
        )
        for each in shown.noisiest
    ]
    print_table(("device", "sensor", "average", "deviation", "limit", "readings", "thrown away"), rows)
