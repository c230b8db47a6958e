"""`make chaos`: faults at random on a cluster at work, and what came of them.

Prints a table and writes it, with date and machine, to RESULTS.md. FAULTS says how many (300), SEED which ones (1),
LEASE how many seconds the lease lasts (3), INSTANCES how many take part (2), MINUTES when to stop at the latest (120),
GALERA how many nodes the database has, one of which is lost at a time (0: a single server that starts anew).
Exit status 1 when two terms worked, or a row was lost or doubled; then the logs stay where the last line says.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
from benchmarks.harness import measured_on, save

from support.chaos import CRASHES, PLANNED, Chaos, Fault, losses_of, restarts_of
from support.cluster import Cluster, Verdict
from support.cluster_making import running_cluster
from support.galera import Galera, galera_cluster
from support.mariadb import Server, private_server
from support.s3server import running_s3_server

#: Crash takeovers, of 100, that may last longer; as a multiple of the lease. Seconds of a planned one.
CRASH_GOAL, PLANNED_GOAL = 1.5, 2.0


@dataclass
class Story:
    """What happened, and what it came to."""

    seed: int
    lease: float
    instances: int
    nodes: int
    faults: list[Fault] = field(default_factory=list)
    seconds: float = 0.0
    verdict: Verdict | None = None
    runs: Counter = field(default_factory=Counter)
    rows: int = 0

    def takeovers(self, kinds: set) -> list[float]:
        return [fault.takeover for fault in self.faults if fault.takeover is not None and fault.kind in kinds]


def run(cluster: Cluster, chaos: Chaos, story: Story, faults: int, minutes: float) -> None:
    """Fault after fault, until there were enough or the time is over; then the judgement."""
    began = time.monotonic()
    cluster.start()
    cluster.keep_exporting()
    while len(story.faults) < faults and time.monotonic() - began < minutes * 60:
        fault = chaos.strike()
        story.faults.append(fault)
        took = f", taken over after {fault.takeover:.2f} s" if fault.takeover is not None else ""
        who = "master" if fault.on_master else "slave"
        sys.stdout.write(f"{len(story.faults)}: {fault.kind} ({who}){took}\n")
        sys.stdout.flush()
    story.verdict = cluster.finish()
    story.seconds = time.monotonic() - began
    story.runs, story.rows = cluster.runs, cluster.gateway.expected.total()


def report(story: Story, server: Server) -> str:
    text = measured_on(server)
    text += (
        f"\n{story.instances} instances, a lease of {story.lease:g} s, seed {story.seed}: {len(story.faults)} faults "
    )
    text += f"in {story.seconds / 60:.0f} minutes, while a gateway inserted {story.rows:,} old readings and "
    text += f"{sum(story.runs.values())} runs of export and statistics were begun besides the daemons' own.\n\n"
    return text + _found(story) + "\n" + _kinds(story)


def _found(story: Story) -> str:
    verdict = story.verdict
    crashes = np.array(story.takeovers(CRASHES) or [np.nan]) / story.lease
    planned = story.takeovers(PLANNED)
    lines = [
        ("terms that worked out of turn, work past the fence, work done twice", len(verdict.double_work), 0),
        ("times that two instances said MASTER at once", len(verdict.two_masters), 0),
        ("rows lost", verdict.lost, 0),
        ("rows doubled", verdict.doubled, 0),
        ("times that a reader found DeviceStatistics empty", verdict.statistics_empty, 0),
        ("stack traces and secrets in the logs", len(verdict.traces), 0),
        ("takeovers after a crash", len(story.takeovers(CRASHES)), ""),
        ("their p50, in leases", f"{np.quantile(crashes, 0.5):.2f}", ""),
        ("their p99, in leases", f"{np.quantile(crashes, 0.99):.2f}", CRASH_GOAL),
        ("the longest, in leases", f"{crashes.max():.2f}", ""),
        ("planned hand-overs", len(planned), ""),
        ("the longest, in seconds", f"{max(planned, default=float('nan')):.2f}", f"{PLANNED_GOAL:g}"),
    ]
    return "| what | found | goal |\n|---|---:|---:|\n" + "".join(f"| {a} | {b} | {c} |\n" for a, b, c in lines)


def _kinds(story: Story) -> str:
    text = "| fault | times | on the master | slowest takeover, s |\n|---|---:|---:|---:|\n"
    for kind in sorted({fault.kind for fault in story.faults}):
        these = [fault for fault in story.faults if fault.kind is kind]
        slowest = max((fault.takeover for fault in these if fault.takeover is not None), default=None)
        shown = f"{slowest:.2f}" if slowest is not None else ""
        text += f"| {kind} | {len(these)} | {sum(fault.on_master for fault in these)} | {shown} |\n"
    return text


@contextmanager
def database(folder: Path, nodes: int, lease: float) -> Iterator[tuple[Server | Galera, dict]]:
    """One server, or a Galera cluster; and what may become of it."""
    if nodes:
        with galera_cluster(folder, nodes) as galera:
            yield galera, losses_of(galera, lease)
    else:
        with private_server("--skip-log-bin") as server:
            yield server, restarts_of(server)


def main() -> int:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    number = {name: float(os.environ.get(name) or default) for name, default in _DEFAULTS.items()}
    story = Story(int(number["SEED"]), number["LEASE"], int(number["INSTANCES"]), int(number["GALERA"]))
    folder = Path(tempfile.mkdtemp(prefix="sm-chaos-"))
    with database(folder, story.nodes, story.lease) as (server, servers), running_s3_server() as s3:
        server.execute("CREATE DATABASE cluster")
        with running_cluster(server, "cluster", s3, folder, count=story.instances, lease=story.lease) as cluster:
            try:
                chaos = Chaos(cluster, story.seed, servers)
                run(cluster, chaos, story, int(number["FAULTS"]), number["MINUTES"])
            except AssertionError:
                sys.stdout.write(f"The cluster is not well; its logs are in {folder}.\n")
                raise
        text = report(story, server)
    save("# Failover" + (f" on a Galera cluster of {story.nodes} nodes" if story.nodes else ""), text)
    sys.stdout.write(text)
    if story.verdict.troubles:
        sys.stdout.write("\n".join(story.verdict.troubles[:50]) + f"\nThe logs are in {folder}.\n")
        return 1
    shutil.rmtree(folder)
    return 0


_DEFAULTS = {"FAULTS": "300", "SEED": "1", "LEASE": "3", "INSTANCES": "2", "MINUTES": "120", "GALERA": "0"}

if __name__ == "__main__":
    sys.exit(main())
