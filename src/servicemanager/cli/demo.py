"""`servicemanager demo`: the service at work on a simulated fleet, on nothing but this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.render import one_line, print_table

if TYPE_CHECKING:
    from servicemanager.demo.jobs import Done
    from servicemanager.demo.outage import Outage
    from servicemanager.demo.show import Demonstration
    from servicemanager.health.report import Message


#: So that something happens while somebody watches.
_LIVE = {
    "ADDRESS": "127.0.0.1",
    "WARNINGLIMIT": "2",
    "HEALTH_BACKAFTER": "1m",
    "SCHEDULER_DEVICES": "* * * * *",
    "SCHEDULER_HISTORY": "* * * * *",
    "SCHEDULER_SELFCARE": "* * * * *",
}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("demo")(_command)


def _command(
    once: Annotated[
        bool, typer.Option("--once", help="End when everything was shown once, instead of running the service on it.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port on which the service then answers, on this machine only.")] = 8000,
    folder: Annotated[
        Path, typer.Option(help="Where the demo's database and archive are made; an earlier demo's are replaced.")
    ] = Path("servicemanager-demo"),
) -> None:
    """Simulate a fleet, run every job on it, prove that nothing was lost, and then run the service on it.

    Exit status 0: nothing was lost or doubled. 1: something was, or the demo failed.
    """
    from servicemanager.cli import logs, process
    from servicemanager.cli.progress import shown_progress
    from servicemanager.config import LogFormat
    from servicemanager.demo.show import show

    logs.configure(LogFormat.AUTO)
    process.settle()
    sys.stdout.write("A simulated fleet reports for twelve days; then its old readings move into an archive.\n")
    with shown_progress() as progress:
        shown = show(folder, datetime.now(UTC).replace(microsecond=0), progress)
    tell(shown)
    archived = shown.nothing_lost_or_doubled and shown.archive.is_fine and not shown.result.problems
    if not (archived and shown.outage.was_told_once) or any(done.problems for done in shown.jobs):
        raise typer.Exit(1)
    if not once:
        run_service(folder, port)


def run_service(folder: Path, port: int) -> None:
    """The service as a process of its own, while this one plays the gateway, until a signal ends both."""
    from servicemanager.cli.signals import stopped_by_signals
    from servicemanager.demo.fleet import make_fleet
    from servicemanager.demo.gateway import Gateway
    from servicemanager.demo.readings import ZONE
    from servicemanager.service import Service

    sys.stdout.write(
        "\nNow the service runs on it, and the fleet goes on. Within ten minutes a shop loses its power, and gets it "
        "back."
        f"\n\n  In a browser on this machine:  http://127.0.0.1:{port}/"
        "\n  In another terminal, in the same folder:  servicemanager status"
        "\n  Ctrl-C ends it.\n\n"
    )
    sys.stdout.flush()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TERM") if name in os.environ}
    environ = kept | _LIVE | {"TZ": str(ZONE), "PORT": str(port)}
    database = Service.configure({"TZ": str(ZONE)}, folder).database()
    gateway = Gateway(database, make_fleet(), ZONE)
    gateway.call()
    # In a group of its own: Ctrl-C reaches this process, which ends the service in its own way.
    command = [sys.executable, "-m", "servicemanager", "run"]
    service = subprocess.Popen(command, cwd=folder, env=environ, process_group=0)  # noqa: S603 -- ourselves
    try:
        with stopped_by_signals() as stop:
            threading.Thread(target=_tell_end, args=(service, stop), daemon=True).start()
            gateway.run(stop)
    finally:
        service.terminate()
        status = service.wait()
        database.close()
    if status:
        raise typer.Exit(status)


def _tell_end(process: subprocess.Popen[bytes], stop: threading.Event) -> None:
    process.wait()
    stop.set()


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
    sys.stdout.write("\nEvery job of the service, once, as its schedule would run it:\n")
    print_table(("job", "what it did"), [(done.job, _counted(done)) for done in shown.jobs])
    sys.stdout.write(
        f"\nLook around: cd {shown.folder}, then `servicemanager verify`, `servicemanager export --dry-run`, "
        "`servicemanager config`.\n"
    )


def _counted(done: Done) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in done.counts.items() if number) or "-"


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
