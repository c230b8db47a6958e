"""`servicemanager lake`: work over the whole archive, on this machine or on Apache Spark."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from servicemanager.cli.query import SHOWN, Memory
from servicemanager.cli.render import print_json, print_table
from servicemanager.errors import ConfigurationError

if TYPE_CHECKING:
    from servicemanager.archive.s3 import S3Access
    from servicemanager.lake import Lake
    from servicemanager.lake.moments import Found
    from servicemanager.lake.spark import Cluster
    from servicemanager.service import Service


class Engine(StrEnum):
    """What does the work."""

    DUCKDB = "duckdb"  # this machine
    SPARK = "spark"


_Engine = Annotated[Engine, typer.Option("--engine", help="Who does the work: this machine, or Spark.")]
_Master = Annotated[
    str | None, typer.Option("--master", help="Spark's master, such as spark://host:7077; by default this machine.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    lake = typer.Typer(help="Work over the whole archive, here or on Apache Spark.", no_args_is_help=True)
    lake.command("statistics")(_statistics)
    lake.command("verify")(_verify)
    app.add_typer(lake, name="lake")


def _statistics(
    engine: _Engine = Engine.DUCKDB,
    master: _Master = None,
    memory: Memory = None,
    json_output: _Json = False,
) -> None:
    """Sum up every sensor over all readings, archived and live. Publishes nothing.

    Exit status 0: done. 1: an object can't be read. 2: wrong settings, or Spark or Java is missing. 4: the database,
    the bucket or the cluster can't be reached.
    """
    from servicemanager.service.access import s3_access

    with _begun(engine, master) as (service, stop, cluster):
        from servicemanager.lake import facts

        with facts(service, memory, stop) as lake:
            found = moments(lake, cluster, s3_access(service.settings.aws))
            if json_output:
                _print_json(found, engine)
            else:
                _print_table(found)


def moments(lake: Lake, cluster: Cluster | None, access: S3Access) -> Iterator[Found]:
    """Of every pair, in order; on a cluster only what the archive lacks is summed up here."""
    from servicemanager.lake.moments import MOMENTS_SQL, found_in, together

    answer = lake.query(MOMENTS_SQL, archived=cluster is None)
    if cluster is None:
        return found_in(answer)
    return together(found_in(answer), cluster.moments(access, answer.objects))


def _verify(engine: _Engine = Engine.DUCKDB, master: _Master = None, json_output: _Json = False) -> None:
    """Read the whole archive again, many objects at once; finds what `servicemanager verify` finds.

    Exit status 0: everything is sound. 1: an object is damaged, missing, foreign or doubled. 2: wrong settings, or
    Spark or Java is missing. 4: the database, the bucket or the cluster can't be reached.
    """
    from servicemanager.archive.verify import Days, Summary, in_threads
    from servicemanager.cli.verify import print_summary, verify
    from servicemanager.service.access import s3_access

    with _begun(engine, master) as (service, _, cluster):
        inspecting = partial(in_threads, threads=os.cpu_count() or 1)
        if cluster:
            inspecting = partial(cluster.inspecting, s3_access(service.settings.aws))
        summary = Summary.of(verify(service, Days(), bucket_only=False, inspecting=inspecting))
    if json_output:
        print_json({"engine": engine.value, **summary.to_document()})
    else:
        print_summary(summary)
    if not summary.is_fine:
        raise typer.Exit(1)


@contextmanager
def _begun(engine: Engine, master: str | None) -> Iterator[tuple[Service, threading.Event, Cluster | None]]:
    from servicemanager.cli import logs, process
    from servicemanager.cli.signals import stopped_by_signals
    from servicemanager.service import Service

    if master and engine is not Engine.SPARK:
        raise ConfigurationError("--master is Spark's: add --engine spark.")
    service = Service.configure()
    logs.configure(service.settings.log.format)
    process.settle()
    with ExitStack() as stack:
        stop = stack.enter_context(stopped_by_signals())
        cluster = None
        if engine is Engine.SPARK:
            from servicemanager.lake.spark import cluster as connect

            cluster = stack.enter_context(connect(master, stop))
        yield service, stop, cluster


def _print_table(found: Iterator[Found]) -> None:
    names = ("device", "sensor", "readings", "average", "deviation", "error", "least", "greatest")
    rows = []
    for pair, each in islice(found, SHOWN):
        device = pair.device.decode(errors="backslashreplace")
        rows.append((device, pair.sensor, each.n, each.mean, each.deviation, each.error, each.min_x, each.max_x))
    print_table(names, rows)
    if more := sum(1 for _ in found):
        sys.stderr.write(f"note: {SHOWN:,} of {SHOWN + more:,} sensors are shown; --json gives all.\n")


def _print_json(found: Iterator[Found], engine: Engine) -> None:
    """Pair by pair: memory does not grow with the fleet."""
    totals: Counter[str] = Counter()
    sys.stdout.write(f'{{"engine": "{engine}", "statistics": [')
    separator = "\n "
    for pair, each in found:
        totals.update(pairs=1, readings=each.n)
        document = {
            "device": pair.device.decode(errors="backslashreplace"),
            "sensor": pair.sensor,
            **{name: getattr(each, name) for name in ("n", "sum_x", "sum_x2", "min_x", "max_x")},
            "average": each.mean,
            "deviation": each.deviation,
            "error": each.error,
        }
        sys.stdout.write(separator + json.dumps(document))
        separator = ",\n "
    sys.stdout.write(f'\n], "pairs": {totals["pairs"]}, "readings": {totals["readings"]}}}\n')
