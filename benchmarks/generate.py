"""Readings to measure with: as many as asked for, over as many days, the same for the same arguments.

750 shops with 2 boards and 3 sensors each report round the clock, in turn; one reading in a hundred arrives
hours or days after its event. Nothing here reads a clock, and memory holds one day: a run on another machine
or another date measures the same rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from servicemanager.demo.fleet import SENSORS, Fleet, make_fleet
from servicemanager.demo.readings import MAX_ROWS, ZONE, to_table
from servicemanager.demo.sampling import READING, Readings
from servicemanager.demo.wallclock import Seconds, day_bounds

SHOPS = 750
BOARDS_PER_SHOP = 2
DAYS = 30
#: The last day, unless another is asked for: fixed, so that every run measures the same bytes.
END = date(2026, 6, 30)

_LATE_SHARE = 0.01
_LATEST = 2 * 86_400
_LIVE_SECONDS = 5


def benchmark_readings(rows: int, days: int = DAYS, end: date = END, seed: int = 1) -> Iterator[pa.Table]:
    """Yield exactly ``rows`` readings with the columns of Facts, by arrival, in tables of at most MAX_ROWS.

    They arrive on the ``days`` local days (America/Sao_Paulo) that end with ``end``, equally many on each.
    """
    fleet = make_fleet(seed, SHOPS, (BOARDS_PER_SHOP, BOARDS_PER_SHOP))
    for number in range(days):
        day = end - timedelta(days=days - 1 - number)
        arrivals = _day(fleet, day, rows * number // days, rows * (number + 1) // days)
        for begin in range(0, len(arrivals), MAX_ROWS):
            yield to_table(fleet, arrivals[begin : begin + MAX_ROWS], ZONE)


def write_tsv(rows: int, path: Path, days: int = DAYS, end: date = END, seed: int = 1) -> None:
    """Write the readings for ``LOAD DATA``: tabs, no header, no quotes, arrivals as UTC wall time."""
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with path.open("wb") as file:
        for table in benchmark_readings(rows, days, end, seed):
            csv.write_csv(_with_naive_arrivals(table), file, options)


def _day(fleet: Fleet, day: date, first: int, last: int) -> Readings:
    """Make the readings with these running numbers: sensors within boards, boards in turn, over the whole day."""
    rng = np.random.default_rng([fleet.seed, day.toordinal()])
    numbers = np.arange(first, last, dtype=np.int64)
    readings = np.zeros(len(numbers), dtype=READING)
    turns = rng.permutation(len(fleet.boards))
    readings["board"] = turns[numbers // len(SENSORS) % len(turns)]
    readings["sensor"] = numbers % len(SENSORS) + 1
    begin, end = day_bounds(day, ZONE)
    readings["arrival"] = begin + (numbers - first) * (end - begin) // max(len(numbers), 1)
    readings["event"] = readings["arrival"] - _lags(rng, len(numbers))
    readings["data"] = rng.normal(220, 40, len(numbers)).round()
    return readings


def _lags(rng: np.random.Generator, count: int) -> Seconds:
    late = rng.random(count) < _LATE_SHARE
    return np.where(late, rng.integers(0, _LATEST, count), rng.integers(0, _LIVE_SECONDS, count))


def _with_naive_arrivals(table: pa.Table) -> pa.Table:
    """A load with the session's time zone at UTC takes these, and no writer adds a zone's letter to them."""
    place = table.schema.get_field_index("creationDate")
    return table.set_column(place, "creationDate", table["creationDate"].cast(pa.timestamp("s")))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write readings as tab-separated values for LOAD DATA.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--end", type=date.fromisoformat, default=END, help="last local day (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    write_tsv(asked.rows, asked.path, asked.days, asked.end, asked.seed)


if __name__ == "__main__":
    main()
