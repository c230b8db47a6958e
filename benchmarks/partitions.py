"""A day leaves with its partition: beside a bare DROP PARTITION, and beside the counting that proves it.

`python -m benchmarks.partitions` measures it alone, with days of 10 000 and of 1 000 000 rows, and saves nothing.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from benchmarks.export import DATABASE, INSERT, load
from benchmarks.generate import write_tsv
from benchmarks.harness import SERVER_OPTIONS, Measured, Run, gateway, p99_ms, report

from servicemanager.archive.objects import open_store
from servicemanager.cluster.lease import acquire, kept
from servicemanager.export.detach import detach, drop_emptied
from servicemanager.export.job import ExportJob
from servicemanager.export.work import Tally
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.partitions import read_layout
from servicemanager.iotdb.upgrade import upgrade
from servicemanager.jobs.job import JobContext, Silence
from support.exports import LEASE, make_job
from support.exports import run as run_job
from support.iotdb import ZONE, Iotdb, facts_ddl, mysql_iotdb
from support.mariadb import Server, private_server
from support.partitions import partition
from support.s3server import S3Server, running_s3_server

DAYS = (10_000, 1_000_000)


def measure(server: Server, folder: Path, sizes: tuple[int, ...] = DAYS) -> list[Run]:
    with running_s3_server() as s3:
        return [_day(server, rows, s3, folder) for rows in sizes]


def _day(server: Server, rows: int, s3: S3Server, folder: Path) -> Run:
    found = Run(f"A partition of {rows:,} rows")
    iotdb = _fill(server, rows, folder)
    job = _archived(iotdb, s3, folder)
    counted = found.add(_counted(iotdb))
    found.add(_inserting(server, "detach, prove and drop it", lambda: _purge(job)), counted)
    iotdb.database.close()
    iotdb = _fill(server, rows, folder)
    found.add(_inserting(server, "bare DROP PARTITION, with nothing proven", lambda: _drop(iotdb)))
    iotdb.database.close()
    return found


def _fill(server: Server, rows: int, folder: Path) -> Iotdb:
    yesterday = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
    server.execute(f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
    iotdb = mysql_iotdb(server, DATABASE, facts_ddl())
    upgrade(iotdb.database)
    tsv = folder / "day.tsv"
    write_tsv(rows, tsv, days=1, end=yesterday)
    load(server, tsv, "Facts")
    tsv.unlink()
    partition(iotdb)
    server.execute("ANALYZE TABLE Facts", database=DATABASE)
    return iotdb


def _archived(iotdb: Iotdb, s3: S3Server, folder: Path) -> ExportJob:
    staging = folder / "staging"
    staging.mkdir(exist_ok=True)
    store = open_store(f"s3://{s3.make_bucket()}/", s3.access)
    run_job(make_job(iotdb, store, staging, purge=False), timedelta(minutes=5))
    return make_job(iotdb, store, staging)


def _counted(iotdb: Iotdb) -> Measured:
    """What the server takes to count and fingerprint the same rows, once."""
    with iotdb.database.reading() as connection:
        begin = time.perf_counter()
        Facts.open(iotdb.database, ZONE).fingerprint_whole(connection)
        return Measured("the server counts and fingerprints its rows", time.perf_counter() - begin)


def _purge(job: ExportJob) -> float:
    plan = job.plan()
    (planned,) = plan.partitions
    tally = Tally(Counter(), [], [])
    with kept(acquire(job.database, job.lease_name, "the benchmark", LEASE)) as lease:
        tools = job.tools(JobContext(lease, Silence(), threading.Event()))
        begin = time.perf_counter()
        detach(tools, planned, tally)
        drop_emptied(tools, plan.cutoff, tally)
        seconds = time.perf_counter() - begin
    if not tally.counts["partitions_dropped"]:
        raise RuntimeError(f"The partition stayed: {tally}")
    return seconds


def _drop(iotdb: Iotdb) -> float:
    name = read_layout(iotdb.database).days[0].name
    begin = time.perf_counter()
    iotdb.execute(f"ALTER TABLE Facts DROP PARTITION {name}")
    return time.perf_counter() - begin


def _inserting(server: Server, what: str, act: Callable[[], float]) -> Measured:
    """While a gateway inserts."""
    with gateway(server, DATABASE, INSERT) as waits:
        seconds = act()
        time.sleep(0.5)
    return Measured(f"{what} (longest insert {max(waits) * 1000:.0f} ms)", seconds, p99_ms=p99_ms(waits))


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="sm-bench-") as folder, private_server(*SERVER_OPTIONS) as server:
        sys.stdout.write(report(measure(server, Path(folder)), server))


if __name__ == "__main__":
    main()
