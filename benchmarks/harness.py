"""What every benchmark is measured and reported with: processes with their peak, ratios, one table per size."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from support.mariadb import Server

RESULTS = Path(__file__).with_name("RESULTS.md")
#: A server as one installs it: what is committed is on the disk, as it need not be for the tests.
SERVER_OPTIONS = (
    *("--skip-log-bin", "--innodb-buffer-pool-size=1G", "--skip-debug-no-sync"),
    *("--innodb-flush-log-at-trx-commit=1", "--innodb-flush-method=O_DIRECT"),
)
#: Statements of the simulated gateway per second.
_RATE = 50
#: Below this, seconds need more digits.
_SHORT = 0.1


@dataclass
class Measured:
    """One line of the table. A ratio is that of the seconds to those of the line it names."""

    what: str
    seconds: float
    beside: str = ""
    ratio: float | None = None
    #: The ratio that we set out to keep below.
    goal: float | None = None
    peak_mib: float | None = None
    #: 99 of 100 inserts of a gateway waited less than this, meanwhile.
    p99_ms: float | None = None


@dataclass
class Run:
    """One size, measured in one go."""

    title: str
    lines: list[Measured] = field(default_factory=list)

    def add(self, line: Measured, beside: Measured | None = None, goal: float | None = None) -> Measured:
        if beside:
            line.beside, line.ratio, line.goal = beside.what, line.seconds / beside.seconds, goal
        self.lines.append(line)
        sys.stdout.write(f"{self.title}: {line.what}: {line.seconds:.2f} s" + _ratio_text(line) + "\n")
        sys.stdout.flush()
        return line


def _ratio_text(line: Measured) -> str:
    return f", x{line.ratio:.2f}" if line.ratio else ""


def run(what: str, command: list[str], environ: dict[str, str] | None = None) -> Measured:
    """Seconds and peak of a process, which must succeed."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0.0
    # Not wait4's ru_maxrss: that begins with the size of this process, from which the child was forked.
    with ThreadPoolExecutor(1) as reading:
        said = reading.submit(process.stderr.read)
        while process.poll() is None:
            peak = max(peak, high_water_mib(process.pid))
            time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}: {said.result().decode()[-2000:]}")
    return Measured(what, time.perf_counter() - begin, peak_mib=peak)


def environ_of(server: Server, **settings: str) -> dict[str, str]:
    """The variables of an instance at this server, and nothing that this shell says of another."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EXPORT_", "MYSQL_"))}
    account = {"MYSQL_HOST": server.host, "MYSQL_PORT": str(server.port), "MYSQL_USER": "root"}
    return {**kept, **account, **settings}


def high_water_mib(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def gateway(server: Server, database: str, insert: str) -> Iterator[list[float]]:
    """A gateway that inserts at a fixed rate; the list holds the seconds that each insert took."""
    waits: list[float] = []
    done = threading.Event()
    thread = threading.Thread(target=_insert_until, args=(done, server, database, insert, waits))
    thread.start()
    try:
        yield waits
    finally:
        done.set()
        thread.join()


def _insert_until(done: threading.Event, server: Server, database: str, insert: str, waits: list[float]) -> None:
    connection = server.connect(database)
    with connection.cursor() as cursor:
        due = time.perf_counter()
        while not done.wait(max(0.0, due - time.perf_counter())):
            begin = time.perf_counter()
            cursor.execute(insert)
            waits.append(time.perf_counter() - begin)
            due += 1 / _RATE
    connection.close()


def p99_ms(waits: list[float]) -> float:
    return float(np.quantile(waits, 0.99) * 1000)


def save(heading: str, text: str) -> None:
    """Put `text` into RESULTS.md, under `heading`, a line that begins with one #."""
    RESULTS.write_text(with_part(RESULTS.read_text() if RESULTS.exists() else "", heading, text))


def with_part(results: str, heading: str, text: str) -> str:
    """The parts of other headings stay as they are, and in their places."""
    parts = {part.splitlines()[0]: part for part in re.split(r"^(?=# )", results, flags=re.MULTILINE) if part.strip()}
    parts[heading] = f"{heading}\n\n{text}"
    return "\n".join(part.strip() + "\n" for part in parts.values())


def measured_on(server: Server) -> str:
    """The date and the machine, as a sentence."""
    version = server.execute("SELECT VERSION()")[0][0]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {version}"
    return f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine}; client and server share the cores.\n"


def report(runs: list[Run], server: Server) -> str:
    text = measured_on(server)
    for each in runs:
        text += f"\n## {each.title}\n\n"
        text += "| what | seconds | ratio | goal | beside | peak MiB | insert p99, ms |\n"
        text += "|---|---:|---:|---:|---|---:|---:|\n"
        text += "".join(_row(line) for line in each.lines)
    return text


def _row(line: Measured) -> str:
    def cell(value: float | None, form: str) -> str:
        return format(value, form) if value else ""

    seconds = f"{line.seconds:.2f}" if line.seconds >= _SHORT else f"{line.seconds:.4f}"
    cells = [line.what, seconds, cell(line.ratio, ".2f"), cell(line.goal, ".1f"), line.beside]
    return "| " + " | ".join([*cells, cell(line.peak_mib, ".0f"), cell(line.p99_ms, ".1f")]) + " |\n"
