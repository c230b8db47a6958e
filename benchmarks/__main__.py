"""`make bench`: each capability beside what bounds it, in one run, on a private MariaDB and a local S3 API.

Prints tables and writes them, with date and machine, to RESULTS.md, each part under a heading of its own; the parts
named as arguments, or all of them, and of the others RESULTS.md says what it said before. Ratios hold from run to
run; absolute figures drift. Sizes come from BENCH_ROWS (default 1000000,5000000).
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from benchmarks import export, health, lake, partitions, statistics, web
from benchmarks.harness import SERVER_OPTIONS, Run, report, save

from support.mariadb import Server, private_server

#: By the names that `make bench ARGS=...` takes.
HEADINGS = {
    "export": "# Archive and restore",
    "statistics": "# Statistics and messages",
    "health": "# Health",
    "partitions": "# Partitions",
    "lake": "# Questions",
    "web": web.HEADING,
}


def _texts(part: str, server: Server, sizes: list[int], folder: Path) -> Iterator[str]:
    """What RESULTS.md is to say of a part: again and again, with one size more each time."""
    if part == "web":
        yield web.measure(server, folder)
        return
    # Only what goes by rows is told at each size; of the others the last one tells most.
    measures: dict[str, list[Callable[[], list[Run]]]] = {
        "export": [partial(export.measure, server, rows, folder) for rows in sizes],
        "statistics": [partial(statistics.measure, server, sizes[-1], folder)],
        "health": [partial(health.measure, server)],
        "partitions": [partial(partitions.measure, server, folder)],
        "lake": [partial(lake.measure, server, sizes[-1], folder)],
    }
    runs: list[Run] = []
    for measure in measures[part]:
        runs += measure()
        yield report(runs, server)


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(prog="make bench", description="Measure, and write it to RESULTS.md.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(HEADINGS)} (default: all)")
    parts = parser.parse_args().parts or list(HEADINGS)
    for part in parts:
        if part not in HEADINGS:
            parser.error(f"There is no part {part} to measure: name some of {', '.join(HEADINGS)}, or none for all.")
    sizes = [int(size) for size in os.environ.get("BENCH_ROWS", "1000000,5000000").split(",")]
    with (
        tempfile.TemporaryDirectory(prefix="sm-bench-") as folder,
        private_server(*SERVER_OPTIONS) as server,
    ):
        for part in parts:
            for text in _texts(part, server, sizes, Path(folder)):
                # Each time: a long night may end before its last line.
                save(HEADINGS[part], text)
            sys.stdout.write(f"{HEADINGS[part]}\n\n{text}\n")


if __name__ == "__main__":
    main()
