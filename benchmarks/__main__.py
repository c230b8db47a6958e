"""`make bench`: each capability beside what bounds it, in one run, on a private MariaDB and a local S3 API.

Prints a table and writes it, with date and machine, to RESULTS.md. Ratios hold from run to run; absolute
figures drift. Sizes come from BENCH_ROWS (default 1000000,5000000).
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from benchmarks import export, health, statistics
from benchmarks.harness import SERVER_OPTIONS, report, save

from support.mariadb import private_server


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    sizes = [int(size) for size in os.environ.get("BENCH_ROWS", "1000000,5000000").split(",")]
    with (
        tempfile.TemporaryDirectory(prefix="sm-bench-") as folder,
        private_server(*SERVER_OPTIONS) as server,
    ):
        parts = (export, statistics)
        runs = [each for part in parts for rows in sizes for each in part.measure(server, rows, Path(folder))]
        runs += health.measure(server)
        text = report(runs, server)
    save("# Results", text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
