"""The readings as they arrive: a local day after the other, as Arrow tables with the columns of Facts.

Pure and deterministic: fleet, local date and zone decide every byte, and a later instant on the same day only
adds rows. Each table's arrivals lie in one local day. Memory holds a day's readings and those that are stored
on absent boards, however many days there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from servicemanager.demo.fleet import Fleet
from servicemanager.demo.sampling import READING, Frame, Readings, draws, sample_day
from servicemanager.demo.wallclock import calendar_columns, day_bounds, wall_clock

ZONE = ZoneInfo("America/Sao_Paulo")
MAX_ROWS = 100_000
_DUPLICATE_SHARE = 0.002

_CALENDAR = ("year", "month", "day", "week_day", "hour", "minute", "second")
#: Facts, column by column; ``creationDate`` is the instant of arrival in whole seconds.
SCHEMA = pa.schema(
    [
        pa.field("channel", pa.string(), nullable=False),
        *(pa.field(name, pa.int32(), nullable=False) for name in _CALENDAR),
        pa.field("device_group", pa.string(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
        pa.field("sensor", pa.int32(), nullable=False),
        pa.field("data", pa.int32(), nullable=False),
        pa.field("creationDate", pa.timestamp("s", tz="UTC"), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Day:
    """What reached the gateway on one local day, by arrival; ``duplicates`` of it are second copies."""

    day: date
    readings: Readings
    duplicates: int


def readings(fleet: Fleet, now: datetime, days: int = 12, zone: ZoneInfo = ZONE) -> Iterator[pa.Table]:
    """Yield the arrivals of the ``days`` local days before today and of today up to ``now``.

    No table holds more than ``MAX_ROWS`` rows; rows come in the order of their arrival.
    """
    for arrived in simulate(fleet, now, days, zone):
        for begin in range(0, len(arrived.readings), MAX_ROWS):
            yield to_table(fleet, arrived.readings[begin : begin + MAX_ROWS], zone)


def simulate(fleet: Fleet, now: datetime, days: int = 12, zone: ZoneInfo = ZONE) -> Iterator[Day]:
    """Yield the same arrivals, day by day and before they are made into tables."""
    frame = Frame.at(now, zone)
    on_their_way = np.zeros(0, dtype=READING)
    for days_ago in range(days, -1, -1):
        day = frame.day(days_ago)
        _, end = day_bounds(day, zone)
        sent = np.concatenate([on_their_way, sample_day(fleet, frame, day)])
        arrives = sent["arrival"] < end
        on_their_way = sent[~arrives]
        yield _arrivals(fleet, day, sent[arrives], now)


def _arrivals(fleet: Fleet, day: date, arrived: Readings, now: datetime) -> Day:
    """Repeat some readings, as a board does that missed the answer, sort, and stop at ``now``."""
    # Drawn over the whole day and cut afterwards, so that ``now`` never changes what came before it.
    copied = draws(fleet, day, 2).random(len(arrived)) < _DUPLICATE_SHARE
    until = arrived["arrival"] <= int(now.timestamp())
    both = np.concatenate([arrived[until], arrived[until & copied]])
    order = np.argsort(both["arrival"], kind="stable")
    return Day(day, both[order], int((until & copied).sum()))


def to_table(fleet: Fleet, rows: Readings, zone: ZoneInfo) -> pa.Table:
    """Give readings the columns of Facts: event times on the local wall, arrivals as instants."""
    boards = pa.array(rows["board"])
    groups = pa.array([fleet.shops[board.shop].name for board in fleet.boards], pa.string())
    devices = pa.array([board.device for board in fleet.boards], pa.string())
    calendar = calendar_columns(wall_clock(rows["event"], zone))
    columns = [
        pa.repeat(fleet.channel, len(rows)),
        *(pa.array(calendar[name].astype(np.int32)) for name in _CALENDAR),
        groups.take(boards),
        devices.take(boards),
        pa.array(rows["sensor"]),
        pa.array(rows["data"]),
        pa.array(rows["arrival"]).cast(SCHEMA.field("creationDate").type),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
