"""Statistics over real databases, and what they must come to: computed from the rows by Python alone."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from fractions import Fraction
from math import sqrt
from zoneinfo import ZoneInfo

from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.archive.proof import Stores
from servicemanager.config import Guard
from servicemanager.iotdb.columns import COLUMNS
from servicemanager.iotdb.moment_blocks import unpack
from servicemanager.iotdb.moment_columns import merged, to_pairs
from servicemanager.iotdb.moments import Moments, Pair
from servicemanager.iotdb.rollups import Rollups
from servicemanager.jobs.job import JobResult
from servicemanager.statistics.job import StatisticsJob
from servicemanager.statistics.tools import Wishes

from .exports import LEASE, run
from .iotdb import ZONE, Iotdb, Row

DEVICE, SENSOR, DATA = (COLUMNS.index(name) for name in ("device", "sensor", "data"))


def make_statistics(iotdb: Iotdb, store: ObjectStore | None, **wishes) -> StatisticsJob:
    """All history, nothing withheld, unless `wishes` say otherwise; `found` is passed on to the job."""
    found = wishes.pop("found", None)
    asked = Wishes(**{"days": 0, "guard": Guard.REPORT, **wishes})
    stores = Stores(store, open_store) if store else None
    return StatisticsJob(iotdb.database, iotdb.facts(), ZoneInfo(ZONE), ZONE, stores, asked, found)


def publish(iotdb: Iotdb, store: ObjectStore | None, lease: timedelta = LEASE, **wishes) -> JobResult:
    return run(make_statistics(iotdb, store, **wishes), lease)


def moments(iotdb: Iotdb) -> dict:
    """Whatever there is, by device and sensor, as exact integers."""
    with iotdb.database.reading() as connection:
        return plain(Rollups(iotdb.database).merged(connection, None, date.max))


def plain(found: Iterable[tuple[Pair, Moments]]) -> dict:
    return {(pair.device.decode(), pair.sensor): (m.n, m.sum_x, m.sum_x2, m.min_x, m.max_x) for pair, m in found}


def archived_moments(iotdb: Iotdb) -> dict:
    """The same of what the archive holds."""
    blocks = iotdb.execute("SELECT payload FROM sm_rollup_block WHERE source <> 'live'")
    return plain(to_pairs(merged(unpack(payload) for (payload,) in blocks)))


def moments_of_rows(rows: Counter | Iterable[Row]) -> dict:
    """The same of rows, by Python's own arithmetic."""
    values = _values(rows)
    return {
        pair: (len(all_), sum(all_), sum(x * x for x in all_), min(all_), max(all_)) for pair, all_ in values.items()
    }


def expected(rows: Counter | Iterable[Row]) -> dict:
    """Average, deviation and error of each pair, as a table should hold them."""
    found = {}
    for pair, values in _values(rows).items():
        deviation = statistics.stdev(map(Fraction, values)) if len(values) > 1 else 0.0
        found[pair] = (statistics.fmean(values), deviation, deviation / sqrt(len(values)))
    return found


def _values(rows: Counter | Iterable[Row]) -> dict[tuple[str, int], list[int]]:
    values = defaultdict(list)
    for row in Counter(rows).elements():
        if row[SENSOR] is not None:
            values[row[DEVICE], row[SENSOR]].append(row[DATA])
    return values


def published(iotdb: Iotdb) -> dict:
    """What the gateway reads."""
    found = iotdb.execute("SELECT device, sensor, average, deviation, error FROM DeviceStatistics")
    assert len({row[:2] for row in found}) == len(found), "a pair is there twice"
    return {tuple(row[:2]): tuple(row[2:]) for row in found}


DDL = (
    "CREATE TABLE DeviceStatistics (device VARCHAR(20), sensor INT, average FLOAT, deviation FLOAT, error FLOAT, "
    "creationDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
)
