"""What each thing takes as the readings grow: one size of `make bench-large`, on one table with one fill.

First what only reads; then what deletes, each from days of its own, so that nobody finds another's work done.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks import lake, statistics
from benchmarks.export import DATABASE, INSERT, SERVICEMANAGER, cuts, delete, drain, fill, pt_archiver
from benchmarks.generate import DAYS, write_tsv
from benchmarks.harness import Measured, gateway, p99_ms, run

from servicemanager.demo.readings import ZONE
from servicemanager.demo.wallclock import day_bounds
from support.mariadb import Server
from support.statistics import DDL

#: What a number of thirty days is for; the rows of each begin where those before end. First those that our purge takes.
ROW_BY_ROW, AS_PARTITIONS, DROPPED, PT_ARCHIVER, DELETED = (0, 3), (3, 25), (25, 26), (26, 27), (27, 30)
#: Seconds that pt-archiver gets: it is told by what it did in them.
_PT_ARCHIVER_SECONDS = 20
#: Of more rows INTO OUTFILE and GROUP BY are left out: they go by rows, and would take a sixth of the whole.
BARE_ROWS = 5_000_000
FILL = "LOAD DATA"
DRAIN = "C client drains the rows to nowhere"
OUTFILE = "SELECT ... INTO OUTFILE"
GROUP_BY = "one GROUP BY device, sensor, day"
REBUILD = "statistics --rebuild"
NIGHT = "statistics, one new day of thirty"
EXPORT = "export --no-purge, into a folder"
DELETES = "bare DELETEs, a tenth of the rows"
ARCHIVER = "pt-archiver, a part of one day"
PURGE = "export purges row by row, a tenth of the rows"
PARTITION = "db partition --apply, of the rows left"
LEAVE = "export purges by partitions, 22 days"
QUESTION = "lake.query: GROUP BY device, sensor of 25 days"
QUERY = "servicemanager query, the same, from its start to its end"
DUCKDB = "bare DuckDB on the same files"


@dataclass(frozen=True)
class Line:
    """`rows` is how many were read, written or deleted in these seconds."""

    seconds: float
    rows: int
    peak_mib: float | None = None

    @property
    def per_million(self) -> float:
        return self.seconds / self.rows * 1_000_000


@dataclass
class Size:
    """All that one size came to: lines by name, in the order of their measurement."""

    rows: int
    lines: dict[str, Line] = field(default_factory=dict)
    #: Seconds for one day-partition, by our purge and by a bare DROP PARTITION.
    day_seconds: float = 0.0
    drop_seconds: float = 0.0
    #: What the gateway's inserts waited while partitions left.
    insert_p99_ms: float = 0.0
    insert_longest_ms: float = 0.0

    def add(self, what: str, rows: int, found: Measured, *, ours: bool = False) -> None:
        """Of our own processes the peak is kept, too."""
        line = Line(found.seconds, rows, found.peak_mib if ours else None)
        self.lines[what] = line
        peak = f", {line.peak_mib:.0f} MiB" if line.peak_mib else ""
        sys.stdout.write(
            f"{self.rows:,} rows: {what}: {line.seconds:.2f} s, {line.per_million:.2f} s per million{peak}\n"
        )
        sys.stdout.flush()


@dataclass(frozen=True)
class Month:
    """Thirty local days that end yesterday: partitions are made for younger days than the other benchmarks' only."""

    last: date

    def day(self, number: int) -> date:
        return self.last - timedelta(days=DAYS - 1 - number)

    def begin(self, number: int) -> str:
        """As UTC wall time, which the server's sessions have."""
        return f"{datetime.fromtimestamp(day_bounds(self.day(number), ZONE)[0], UTC):%Y-%m-%d %H:%M:%S}"


def measure(server: Server, rows: int, folder: Path) -> Size:
    """The server's time zone must be UTC. Nothing is left of it but the server's own files."""
    found = Size(rows)
    month = Month(datetime.now(ZONE).date() - timedelta(days=1))
    environ = lake.environment(server, folder)
    _fill(found, server, folder, month)
    try:
        # Once, for its memory is as warm as it gets from the fill.
        found.add(DRAIN, rows, drain(server, times=1))
        if rows <= BARE_ROWS:
            _read(found, server, folder)
        found.add(REBUILD, rows, statistics.rebuild(server), ours=True)
        found.add(NIGHT, rows, statistics.nightly(server, str(month.last)), ours=True)
        found.add(EXPORT, rows, run(EXPORT, [SERVICEMANAGER, "export", "--no-purge"], environ), ours=True)
        _delete(found, server, month)
        _purge(found, server, month, environ)
        _partition(found, server, month, environ)
        _ask(found, folder, month, environ)
    finally:
        server.execute(f"DROP DATABASE {DATABASE}")
        shutil.rmtree(folder / "archive", ignore_errors=True)
    return found


def _fill(found: Size, server: Server, folder: Path, month: Month) -> None:
    tsv = folder / "facts.tsv"
    write_tsv(found.rows, tsv, end=month.last)
    with _timed(found, FILL, found.rows):
        fill(server, tsv)
    tsv.unlink()
    server.execute(DDL, database=DATABASE)


def _read(found: Size, server: Server, folder: Path) -> None:
    outfile = folder / "outfile.tsv"
    with _timed(found, OUTFILE, found.rows):
        server.execute(f"SELECT * FROM Facts INTO OUTFILE '{outfile}'", database=DATABASE)
    outfile.unlink()
    found.add(GROUP_BY, found.rows, statistics.group_by(server))


def _delete(found: Size, server: Server, month: Month) -> None:
    """As people do it without us."""
    start, end = _bounds(month, DELETED)
    rows, ranges = _count(server, start, end), cuts(server, end, start)
    found.add(DELETES, rows, delete(server, ranges))
    statistics.settle(server)
    start, end = _bounds(month, PT_ARCHIVER)
    before = _count(server, start, end)
    command = pt_archiver(server, end, "--run-time", str(_PT_ARCHIVER_SECONDS), start=start)
    archiver = run(ARCHIVER, command)
    found.add(ARCHIVER, before - _count(server, start, end), archiver)


def _purge(found: Size, server: Server, month: Month, environ: dict[str, str]) -> None:
    statistics.settle(server)
    start, end = _bounds(month, ROW_BY_ROW)
    rows = _count(server, start, end)
    purged = run(PURGE, _export_before(month, ROW_BY_ROW), environ)
    _check(_counts(server), rows_purged=rows)
    found.add(PURGE, rows, purged, ours=True)


def _partition(found: Size, server: Server, month: Month, environ: dict[str, str]) -> None:
    statistics.settle(server)
    ((left,),) = server.execute("SELECT COUNT(*) FROM Facts", database=DATABASE)
    found.add(PARTITION, left, run(PARTITION, [SERVICEMANAGER, "db", "partition", "--apply"], environ), ours=True)
    days = AS_PARTITIONS[1] - AS_PARTITIONS[0]
    rows = _count(server, *_bounds(month, AS_PARTITIONS))
    with gateway(server, DATABASE, INSERT) as waits:
        purged = run(LEAVE, _export_before(month, AS_PARTITIONS), environ)
    _check(_counts(server), rows_purged=rows, partitions_purged=days)
    found.add(LEAVE, rows, purged, ours=True)
    found.day_seconds = purged.seconds / days
    found.insert_p99_ms, found.insert_longest_ms = p99_ms(waits), max(waits) * 1000
    begin = time.perf_counter()
    server.execute(f"ALTER TABLE Facts DROP PARTITION p{month.day(DROPPED[0]):%Y%m%d}", database=DATABASE)
    found.drop_seconds = time.perf_counter() - begin


def _ask(found: Size, folder: Path, month: Month, environ: dict[str, str]) -> None:
    """About days that have left the database: of others it would also count what it still holds."""
    rows = found.rows * AS_PARTITIONS[1] // DAYS
    asked = lake.question(month.day(0), month.day(AS_PARTITIONS[1] - 1))
    found.add(DUCKDB, rows, lake.ask(DUCKDB, lake.BARE, asked, environ))
    found.add(QUESTION, rows, lake.ask(QUESTION, lake.OURS, asked, environ))
    answer = folder / "answer.parquet"
    found.add(QUERY, rows, run(QUERY, [SERVICEMANAGER, "query", asked, "--parquet", str(answer)], environ), ours=True)


def _bounds(month: Month, days: tuple[int, int]) -> tuple[str, str]:
    return month.begin(days[0]), month.begin(days[1])


def _export_before(month: Month, days: tuple[int, int]) -> list[str]:
    return [SERVICEMANAGER, "export", "--before", str(month.day(days[1]))]


def _count(server: Server, start: str, end: str) -> int:
    where = f"creationDate >= '{start}' AND creationDate < '{end}'"
    return server.execute(f"SELECT COUNT(*) FROM Facts WHERE {where}", database=DATABASE)[0][0]


def _counts(server: Server) -> dict[str, int]:
    """What the last export has on record."""
    newest = "SELECT counts FROM sm_job_run WHERE job = 'export' ORDER BY id DESC LIMIT 1"
    return json.loads(server.execute(newest, database=DATABASE)[0][0])


def _check(counts: dict[str, int], **expected: int) -> None:
    found = {name: counts.get(name, 0) for name in expected}
    if found != expected:
        raise RuntimeError(f"The export was to count {expected}, and has on record: {counts}.")


@contextmanager
def _timed(found: Size, what: str, rows: int) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    found.add(what, rows, Measured(what, time.perf_counter() - begin))
