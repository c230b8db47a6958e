"""A question about a month of archived readings, beside bare DuckDB on the same files."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

from benchmarks.export import DATABASE, SERVICEMANAGER, fill
from benchmarks.generate import DAYS, END, write_tsv
from benchmarks.harness import Measured, Run, environ_of, run

from support.mariadb import Server

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
BARE = """
import duckdb, os
files = os.environ["FILES"]
def answer(question):
    with duckdb.connect() as session:
        session.execute(f"CREATE VIEW facts AS FROM read_parquet('{files}', hive_partitioning = true)")
        return session.execute(question).to_arrow_table()
"""
OURS = """
from servicemanager.lake import facts
from servicemanager.service import Service
service = Service.configure()
def answer(question):
    with facts(service) as lake:
        return lake.query(question).table()
"""


def measure(server: Server, rows: int, folder: Path) -> list[Run]:
    tsv = folder / "facts.tsv"
    write_tsv(rows, tsv)
    fill(server, tsv)
    tsv.unlink()
    environ, asked = environment(server, folder), question(END - timedelta(days=DAYS - 1), END)
    run("export", [SERVICEMANAGER, "export"], environ)
    found = Run(f"A question about {rows:,} archived rows of a month: GROUP BY device, sensor")
    bare = found.add(ask("bare DuckDB on the same files", BARE, asked, environ))
    found.add(ask("lake.query, with database and archive opened anew", OURS, asked, environ), bare, 1.5)
    command = [SERVICEMANAGER, "query", asked, "--parquet", str(folder / "answer.parquet")]
    found.add(run("servicemanager query, from its start to its end", command, environ))
    return [found]


def environment(server: Server, folder: Path) -> dict[str, str]:
    """The variables of an instance whose archive is a folder within `folder`."""
    archive = folder / "archive"
    return environ_of(
        server,
        MYSQL_DATABASE=DATABASE,
        EXPORT_BUCKET=f"file://{archive}",
        EXPORT_LOCALDIRECTORY=str(folder),
        FILES=f"{archive}/facts/*/*.parquet",
    )


def question(first: date, last: date) -> str:
    """What is asked of the readings that arrived on these local days."""
    return (
        "SELECT device, sensor, count(*) AS n, avg(data) AS average, min(data) AS least, max(data) AS greatest "
        f"FROM facts WHERE creation_date BETWEEN DATE '{first}' AND DATE '{last}' GROUP BY device, sensor"
    )


def ask(what: str, program: str, asked: str, environ: dict[str, str]) -> Measured:
    """The best of five answers that a program, BARE or OURS, gives to what is asked."""
    command = [sys.executable, "-c", program + _BEST, asked]
    said = subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout
    return Measured(what, float(said.split()[1]))
