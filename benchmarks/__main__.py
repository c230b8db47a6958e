"""`make bench`: the export beside what bounds it, in one run, on a private MariaDB and a local S3 API.

Prints a table and writes it, with date and machine, to RESULTS.md. Ratios hold from run to run; absolute
figures drift. Sizes come from BENCH_ROWS (default 1000000; several, parted by commas).
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from benchmarks.generate import write_tsv

from support.iotdb import facts_ddl
from support.mariadb import Server, private_server
from support.s3server import running_s3_server

RESULTS = Path(__file__).with_name("RESULTS.md")
DATABASE = "IOTDB"
BUCKET = "benchmark"


@dataclass
class Measured:
    """One line of the table."""

    what: str
    seconds: float
    beside: str = ""
    ratio: float | None = None
    peak_mib: float | None = None


@dataclass
class Run:
    """One size, measured in one go."""

    rows: int
    lines: list[Measured] = field(default_factory=list)

    def add(self, what: str, seconds: float, *, beside: Measured | None = None, peak: float | None = None) -> Measured:
        ratio = seconds / beside.seconds if beside else None
        line = Measured(what, seconds, beside.what if beside else "", ratio, peak)
        self.lines.append(line)
        sys.stdout.write(f"{self.rows:>12,}  {what}: {seconds:.2f} s" + (f", x{ratio:.2f}" if ratio else "") + "\n")
        return line


def timed(command: list[str], environ: dict[str, str]) -> tuple[float, float]:
    """Seconds and peak MiB of a process, which must succeed."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0.0
    # Not wait4's ru_maxrss: that begins with the size of this process, from which the child was forked.
    with ThreadPoolExecutor(1) as reading:
        said = reading.submit(process.stderr.read)
        while process.poll() is None:
            peak = max(peak, _high_water_mib(process.pid))
            time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}: {said.result().decode()[-2000:]}")
    return time.perf_counter() - begin, peak


def _high_water_mib(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def drain(server: Server) -> float:
    """The C client reads all rows to nowhere: the bound of any reader."""
    command = ["mariadb", "--no-defaults", f"-h{server.host}", f"-P{server.port}", "-uroot", "--quick", "-B", DATABASE]
    return timed([*command, "-e", "SELECT * FROM Facts"], dict(os.environ))[0]


def fill(server: Server, rows: int, folder: Path) -> None:
    path = folder / "facts.tsv"
    write_tsv(rows, path)
    server.execute(f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
    server.execute(facts_ddl(), database=DATABASE)
    command = [
        "mariadb",
        "--no-defaults",
        f"-h{server.host}",
        f"-P{server.port}",
        "-uroot",
        "--local-infile=1",
        DATABASE,
    ]
    load = f"SET time_zone='+00:00'; LOAD DATA LOCAL INFILE '{path}' INTO TABLE Facts; ANALYZE TABLE Facts"
    subprocess.run([*command, "-e", load], check=True, stdout=subprocess.DEVNULL)
    path.unlink()


def bare_delete(server: Server, slice_rows: int) -> float:
    """The same ranges in transactions of about the same size, with nothing proven."""
    hours = server.execute(
        "SELECT DATE_FORMAT(creationDate, '%Y-%m-%d %H:00:00'), COUNT(*) FROM Facts GROUP BY 1 ORDER BY 1",
        database=DATABASE,
    )
    cuts, rows = [hours[0][0]], 0
    for hour, count in hours:
        if rows + count > slice_rows and rows:
            cuts.append(hour)
            rows = 0
        rows += count
    cuts.append("2100-01-01")
    connection = server.connect(DATABASE)
    begin = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        for start, end in pairwise(cuts):
            cursor.execute(f"DELETE FROM Facts WHERE creationDate >= '{start}' AND creationDate < '{end}'")
    seconds = time.perf_counter() - begin
    connection.close()
    return seconds


@contextmanager
def environment(server: Server, folder: Path) -> Iterator[dict[str, str]]:
    with running_s3_server() as s3:
        s3.client.create_bucket(Bucket=BUCKET)
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EXPORT_", "MYSQL_"))},
            "MYSQL_HOST": server.host,
            "MYSQL_PORT": str(server.port),
            "MYSQL_USER": "root",
            "EXPORT_BUCKET": BUCKET,
            "EXPORT_LOCALDIRECTORY": str(folder),
            "AWS_ENDPOINT": s3.url,
            "AWS_ACCESSKEYID": s3.access.access_key_id or "",
            "AWS_SECRETACCESSKEY": s3.access.secret_access_key or "",
        }


def measure(server: Server, rows: int, folder: Path) -> Run:
    run = Run(rows)
    command = str(Path(sys.executable).with_name("servicemanager"))
    fill(server, rows, folder)
    drained = run.add("C client drains the rows to nowhere", min(drain(server) for _ in range(2)))
    with environment(server, folder) as environ:
        seconds, peak = timed([command, "export", "--no-purge"], environ)
        run.add("export without purge, to S3", seconds, beside=drained, peak=peak)
        seconds, peak = timed([command, "export"], environ)
        purged = Measured("purge of what was archived", seconds, peak_mib=peak)
        seconds, peak = timed([command, "verify"], environ)
        verified = Measured("verify", seconds, peak_mib=peak)
    fill(server, rows, folder)
    bare = run.add("bare DELETEs of ranges of the same size", bare_delete(server, 20_000))
    run.add(purged.what, purged.seconds, beside=bare, peak=purged.peak_mib)
    run.add(verified.what, verified.seconds, peak=verified.peak_mib)
    return run


def report(runs: list[Run], server: Server) -> str:
    version = server.execute("SELECT VERSION()")[0][0]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {version}"
    text = f"# Results\n\nMeasured {datetime.now(UTC):%Y-%m-%d} on {machine}; client and server share the cores.\n"
    for run in runs:
        text += f"\n## {run.rows:,} rows, with an index on creationDate\n\n"
        text += "| what | seconds | ratio | beside | peak MiB |\n|---|---:|---:|---|---:|\n"
        for line in run.lines:
            ratio = f"{line.ratio:.2f}" if line.ratio else ""
            peak = f"{line.peak_mib:.0f}" if line.peak_mib else ""
            text += f"| {line.what} | {line.seconds:.2f} | {ratio} | {line.beside} | {peak} |\n"
    return text


def main() -> None:
    sizes = [int(size) for size in os.environ.get("BENCH_ROWS", "1000000").split(",")]
    with (
        tempfile.TemporaryDirectory(prefix="sm-bench-") as folder,
        private_server("--skip-log-bin", "--innodb-buffer-pool-size=1G") as server,
    ):
        runs = [measure(server, rows, Path(folder)) for rows in sizes]
        text = report(runs, server)
    RESULTS.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
