"""What the demo's statistics come to: the noisiest sensors, and what the gateway's filter would have thrown away."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nlargest

import pyarrow as pa
import pyarrow.compute as pc

from servicemanager.archive.journal import Journal
from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.proof import Stores, read_proven
from servicemanager.iotdb.device_statistics import DeviceStatistics, Line
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.window import EPOCH, Window, from_epoch
from servicemanager.jobs.job import Progress
from servicemanager.jobs.runner import Runner
from servicemanager.service import Service, StatisticsWishes

_SHOWN = 10
_FAR = 4_000_000_000  # seconds since 1970: the year 2096


@dataclass(frozen=True)
class Noisy:
    """One sensor: what was published of it, and how many of its readings exceed the limit."""

    line: Line
    limit: float
    readings: int
    thrown_away: int


def publish_statistics(service: Service, database: Database, progress: Progress) -> None:
    job = service.statistics_job(database, StatisticsWishes())
    Runner(database, service.settings.cluster.lease, progress, threading.Event()).run(job)


def noisiest(service: Service, database: Database, store: ObjectStore) -> tuple[Noisy, ...]:
    """The sensors of the greatest deviation, each held against all of its readings, archived ones included."""
    zone = service.settings.timezone
    with database.reading() as connection:
        lines = nlargest(_SHOWN, DeviceStatistics.open(database, zone).lines(connection), lambda line: line.deviation)
    limits = {line: service.settings.statistics.sigmas * line.deviation for line in lines}
    readings, thrown_away = Counter[Line](), Counter[Line]()
    for rows in _everything(service.facts(database), Stores(store, service.open_store), Journal(database)):
        for line, limit in limits.items():
            data = _of(rows, line)
            readings[line] += len(data)
            thrown_away[line] += pc.sum(pc.greater(data, limit)).as_py() or 0
    return tuple(Noisy(line, limits[line], readings[line], thrown_away[line]) for line in lines)


def _everything(facts: Facts, stores: Stores, journal: Journal) -> Iterator[pa.Table]:
    for _, found in journal.catalogue():
        yield read_proven(stores, found)
    yield facts.read(Window(EPOCH, from_epoch(_FAR)))


def _of(rows: pa.Table, line: Line) -> pa.ChunkedArray:
    mine = pc.and_(pc.equal(rows.column("device"), line.device.decode()), pc.equal(rows.column("sensor"), line.sensor))
    return rows.column("data").filter(mine)
