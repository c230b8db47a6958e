"""The small simulated fleet that several tests look at, and ways to look at it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from servicemanager.demo.fleet import Fleet, make_fleet
from servicemanager.demo.readings import SCHEMA, ZONE, readings

NOW = datetime(2026, 11, 20, 18, 30, 15, tzinfo=UTC)


def small_fleet(seed: int = 1) -> Fleet:
    return make_fleet(seed, shops=6, boards_per_shop=(2, 3))


def whole(fleet: Fleet, now: datetime = NOW, days: int = 12, zone: ZoneInfo = ZONE) -> pa.Table:
    return pa.concat_tables(readings(fleet, now, days, zone))


def event_instants(table: pa.Table, zone: ZoneInfo) -> list[datetime]:
    """The earliest instant at which the zone's clocks showed each event time."""
    calendar = zip(*(table[name].to_pylist() for name in SCHEMA.names[1:4]), strict=True)
    clock = zip(*(table[name].to_pylist() for name in SCHEMA.names[5:8]), strict=True)
    return [datetime(*ymd, *hms, tzinfo=zone) for ymd, hms in zip(calendar, clock, strict=True)]
