"""A question about a month of archived readings, beside bare DuckDB on the same files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.export import DATABASE, SERVICEMANAGER, _fill
from benchmarks.generate import write_tsv
from benchmarks.harness import Measured, Run, run

from support.mariadb import Server

_QUESTION = (
    "SELECT device, sensor, count(*) AS n, avg(data) AS average, min(data) AS least, max(data) AS greatest FROM facts "
    "WHERE creation_date BETWEEN DATE '2026-06-01' AND DATE '2026-06-30' GROUP BY device, sensor"
)
#: Each prints the seconds of its best answer out of five, to the last row; what it takes to start Python is left out.
_BEST = """
import sys, time
question, times = sys.argv[1], []
for _ in range(5):
    begin = time.perf_counter()
    rows = answer(question)
    times.append(time.perf_counter() - begin)
print(len(rows), min(times))
"""
_BARE = """
import duckdb, os
files = os.environ["FILES"]
def answer(question):
    with duckdb.connect() as session:
        session.execute(f"CREATE VIEW facts AS FROM read_parquet('{files}', hive_partitioning = true)")
        return session.execute(question).to_arrow_table()
"""
_OURS = """
from servicemanager.lake import facts
from servicemanager.service import Service
service = Service.configure()
def answer(question):
    with facts(service) as lake:
        return lake.query(question).table()
"""


def measure(server: Server, rows: int, folder: Path) -> list[Run]:
    tsv, archive = folder / "facts.tsv", folder / "archive"
    write_tsv(rows, tsv)
    _fill(server, tsv)
    tsv.unlink()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EXPORT_", "MYSQL_"))}
    environ = {
        **kept,
        "MYSQL_HOST": server.host,
        "MYSQL_PORT": str(server.port),
        "MYSQL_USER": "root",
        "MYSQL_DATABASE": DATABASE,
        "EXPORT_BUCKET": f"file://{archive}",
        "EXPORT_LOCALDIRECTORY": str(folder),
        "FILES": f"{archive}/facts/*/*.parquet",
    }
    run("export", [SERVICEMANAGER, "export"], environ)
    found = Run(f"A question about {rows:,} archived rows of a month: GROUP BY device, sensor")
    bare = found.add(_best("bare DuckDB on the same files", _BARE, environ))
    found.add(_best("lake.query, with database and archive opened anew", _OURS, environ), bare, 1.5)
    command = [SERVICEMANAGER, "query", _QUESTION, "--parquet", str(folder / "answer.parquet")]
    found.add(run("servicemanager query, from its start to its end", command, environ))
    return [found]


def _best(what: str, program: str, environ: dict[str, str]) -> Measured:
    command = [sys.executable, "-c", program + _BEST, _QUESTION]
    said = subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout
    return Measured(what, float(said.split()[1]))
