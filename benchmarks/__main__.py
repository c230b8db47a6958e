"""`make bench`: each capability beside what bounds it, in one run, on a private MariaDB and a local S3 API.

Prints a table and writes it, with date and machine, to RESULTS.md. Ratios hold from run to run; absolute
figures drift. Sizes come from BENCH_ROWS (default 1000000,5000000).
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from benchmarks import export, health, lake, partitions, statistics, web
from benchmarks.harness import SERVER_OPTIONS, Run, report, save

from support.mariadb import private_server


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    sizes = [int(size) for size in os.environ.get("BENCH_ROWS", "1000000,5000000").split(",")]
    with (
        tempfile.TemporaryDirectory(prefix="sm-bench-") as folder,
        private_server(*SERVER_OPTIONS) as server,
    ):
        # What statistics cost is told at the last size only: most of it does not go by rows.
        parts = [partial(export.measure, server, rows, Path(folder)) for rows in sizes]
        parts += [partial(statistics.measure, server, sizes[-1], Path(folder)), partial(health.measure, server)]
        parts.append(partial(partitions.measure, server, Path(folder)))
        parts.append(partial(lake.measure, server, sizes[-1], Path(folder)))
        runs: list[Run] = []
        for measure in parts:
            runs += measure()
            text = report(runs, server)
            # Each time: a long night may end before its last line.
            save("# Results", text)
        face = web.measure(server, Path(folder))
        save(web.HEADING, face)
    sys.stdout.write(text + face)


if __name__ == "__main__":
    main()
