"""The way of the readings into the archive and back, beside the barest way of doing each part of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from benchmarks.generate import write_tsv
from benchmarks.harness import Measured, Run, environ_of, gateway, p99_ms, run

from support.iotdb import facts_ddl
from support.mariadb import Server
from support.s3server import S3Server, running_s3_server

DATABASE = "IOTDB"
SERVICEMANAGER = str(Path(sys.executable).with_name("servicemanager"))
_SLICE_ROWS = 20_000
#: Rows per second of an export that the gateway should hardly notice.
_PACE = 5_000
#: Each turn of the measurement with a pace, and how many there are.
_SECONDS, _TURNS = 8, 4
#: All readings of the generator's default days arrive between these.
_FIRST, _DUE = "2000-01-01", "2026-07-02"
#: It takes minutes for these already.
_PT_ARCHIVER_ROWS = 1_000_000
INSERT = (
    "INSERT INTO Facts (channel, year, month, day, week_day, hour, minute, second, device_group, device, sensor, data)"
    " VALUES ('temperature', 2026, 11, 24, 3, 12, 0, 0, 'shop 1', 'board 1', 1, 220)"
)


def measure(server: Server, rows: int, folder: Path) -> list[Run]:
    """Two tables: the one with the index on creationDate that we advise to have, and the platform's own."""
    tsv = folder / "facts.tsv"
    write_tsv(rows, tsv)
    try:
        with running_s3_server() as s3:
            return [_with_index(server, rows, tsv, s3, folder), _without_index(server, rows, tsv, s3, folder)]
    finally:
        tsv.unlink()


def _with_index(server: Server, rows: int, tsv: Path, s3: S3Server, folder: Path) -> Run:
    found = Run(f"{rows:,} rows, with an index on creationDate")
    fill(server, tsv)
    drained = found.add(_inserting(server, lambda: drain(server)))
    bucket, environ = _environment(server, s3, folder)
    command = [SERVICEMANAGER, "export", "--no-purge"]
    found.add(_inserting(server, lambda: run("export without purge, to S3", command, environ)), drained, 2.5)
    purged = _inserting(server, lambda: run("purge of what was archived", [SERVICEMANAGER, "export"], environ))
    scanned = found.add(run("pyarrow reads every object", [sys.executable, "-c", _SCAN, bucket], environ))
    found.add(run("verify", [SERVICEMANAGER, "verify"], environ), scanned, 1.5)
    loaded = found.add(_load_elsewhere(server, tsv))
    dates = ["--from", "2026-05-01", "--to", "2026-08-01"]
    found.add(run("restore into Facts_restored", [SERVICEMANAGER, "restore", *dates], environ), loaded, 1.5)
    fill(server, tsv)
    ranges = cuts(server, _DUE)
    bare = found.add(_inserting(server, lambda: delete(server, ranges)))
    found.add(purged, bare, 1.3)
    _throttled(server, tsv, s3, folder, found)
    if rows <= _PT_ARCHIVER_ROWS:
        fill(server, tsv)
        found.add(run("pt-archiver purges, without archiving", pt_archiver(server, _DUE)), bare)
    return found


def _throttled(server: Server, tsv: Path, s3: S3Server, folder: Path, found: Run) -> None:
    """What the gateway notices of an export with purge that keeps to a pace: a part of it is enough to tell.

    In turns with nothing at all, for the disk is quicker in one minute than in the next.
    """
    fill(server, tsv)
    _, environ = _environment(server, s3, folder)
    command = [SERVICEMANAGER, "export", "--max-rows", str(_PACE * _SECONDS)]
    undisturbed, meanwhile = list[float](), list[float]()
    for _ in range(_TURNS):
        with gateway(server, DATABASE, INSERT) as waits:
            time.sleep(_SECONDS)
        undisturbed += waits
        with gateway(server, DATABASE, INSERT) as waits:
            run("throttled", command, {**environ, "EXPORT_MAXROWSPERSECOND": str(_PACE)})
        meanwhile += waits
    idle = found.add(Measured("p99 of the gateway's inserts, undisturbed", p99_ms(undisturbed) / 1000))
    found.add(Measured(f"the same during an export with purge, {_PACE:,} rows/s", p99_ms(meanwhile) / 1000), idle, 1.2)


def _without_index(server: Server, rows: int, tsv: Path, s3: S3Server, folder: Path) -> Run:
    found = Run(f"{rows:,} rows, without the index")
    fill(server, tsv)
    server.execute("DROP INDEX arrival ON Facts", database=DATABASE)
    drained = found.add(drain(server))
    _, environ = _environment(server, s3, folder)
    found.add(run("export without purge, to S3", [SERVICEMANAGER, "export", "--no-purge"], environ), drained, 5.0)
    return found


def _inserting(server: Server, act: Callable[[], Measured]) -> Measured:
    """While a gateway inserts."""
    with gateway(server, DATABASE, INSERT) as waits:
        line = act()
    line.p99_ms = p99_ms(waits)
    return line


def client(server: Server) -> list[str]:
    """The command of the C client, in the benchmarks' database."""
    return ["mariadb", "--no-defaults", f"-h{server.host}", f"-P{server.port}", "-uroot", "--local-infile=1", DATABASE]


def drain(server: Server, times: int = 2) -> Measured:
    """The bound of any reader. Twice, since the first reader finds the server's memory cold."""
    command = [*client(server), "--quick", "-B", "-e", "SELECT * FROM Facts"]
    return min(
        (run("C client drains the rows to nowhere", command) for _ in range(times)), key=lambda line: line.seconds
    )


def fill(server: Server, tsv: Path) -> None:
    """The benchmarks' database made anew, its Facts filled with the readings of a file."""
    server.execute(f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
    server.execute(facts_ddl(), database=DATABASE)
    load(server, tsv, "Facts")
    server.execute("ANALYZE TABLE Facts", database=DATABASE)


def load(server: Server, tsv: Path, table: str) -> None:
    load = f"SET time_zone='+00:00'; LOAD DATA LOCAL INFILE '{tsv}' INTO TABLE {table}"
    subprocess.run([*client(server), "-e", load], check=True, stdout=subprocess.DEVNULL)


def _load_elsewhere(server: Server, tsv: Path) -> Measured:
    server.execute("CREATE TABLE Loaded LIKE Facts", database=DATABASE)
    begin = time.perf_counter()
    load(server, tsv, "Loaded")
    line = Measured("LOAD DATA of the same rows", time.perf_counter() - begin)
    server.execute("DROP TABLE Loaded", database=DATABASE)
    return line


def cuts(server: Server, end: str, start: str = _FIRST) -> list[tuple[str, str]]:
    """Ranges of wall times from `start` to `end`, each with about as many rows as one of our transactions deletes."""
    quarters = server.execute(
        "SELECT FROM_UNIXTIME(UNIX_TIMESTAMP(creationDate) DIV 900 * 900), COUNT(*) FROM Facts "
        f"WHERE creationDate >= '{start}' AND creationDate < '{end}' GROUP BY 1 ORDER BY 1",
        database=DATABASE,
    )
    begins, rows = [start], 0
    for quarter, count in quarters:
        if rows + count > _SLICE_ROWS and rows:
            begins.append(str(quarter))
            rows = 0
        rows += count
    return list(pairwise([*begins, end]))


def delete(server: Server, ranges: list[tuple[str, str]]) -> Measured:
    """The same ranges in transactions of about the same size, with nothing proven."""
    connection = server.connect(DATABASE)
    begin = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        for start, end in ranges:
            cursor.execute(f"DELETE FROM Facts WHERE creationDate >= '{start}' AND creationDate < '{end}'")
    seconds = time.perf_counter() - begin
    connection.close()
    return Measured("bare DELETEs of ranges of the same size", seconds)


def pt_archiver(server: Server, end: str, *options: str, start: str = _FIRST) -> list[str]:
    """The command that deletes what arrived from `start` to `end`, and archives nothing."""
    source = f"h={server.host},P={server.port},u=root,D={DATABASE},t=Facts,i=arrival"
    where = f"creationDate >= '{start}' AND creationDate < '{end}'"
    command = ["pt-archiver", "--source", source, "--purge", "--where", where, "--no-check-charset"]
    return [*command, "--limit", "1000", "--commit-each", *options]


def _environment(server: Server, s3: S3Server, folder: Path) -> tuple[str, dict[str, str]]:
    """A new bucket, and the variables of an instance that archives into it."""
    bucket = s3.make_bucket()
    return bucket, {
        **environ_of(server),
        "EXPORT_BUCKET": bucket,
        "EXPORT_LOCALDIRECTORY": str(folder),
        "AWS_ENDPOINT": s3.url,
        "AWS_ACCESSKEYID": s3.access.access_key_id or "",
        "AWS_SECRETACCESSKEY": s3.access.secret_access_key or "",
        # What a bare client reads.
        "AWS_ENDPOINT_URL": s3.url,
        "AWS_ACCESS_KEY_ID": s3.access.access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": s3.access.secret_access_key or "",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


#: Every object of the bucket in its first argument, read and decoded, and nothing else. It skips the interpreter's own
#: end, at which pyarrow 26.0.1 aborts in some 1 % of the processes whose threads were just at work.
_SCAN = """
import boto3, os, pyarrow, pyarrow.parquet, sys
client = boto3.client("s3")
for page in client.get_paginator("list_objects_v2").paginate(Bucket=sys.argv[1], Prefix="facts/"):
    for found in page["Contents"]:
        if found["Key"].endswith(".parquet"):
            body = client.get_object(Bucket=sys.argv[1], Key=found["Key"])["Body"].read()
            pyarrow.parquet.read_table(pyarrow.BufferReader(body))
sys.stdout.flush()
sys.stderr.flush()
os._exit(0)
"""
