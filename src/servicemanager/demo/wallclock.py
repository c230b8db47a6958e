"""From instants to local wall time, a whole array at once, for every zone that Python knows.

pyarrow could do it, but it needs the machine's own zone files, which a bare machine lacks; ``zoneinfo`` falls
back on the ``tzdata`` package. Instants are epoch seconds; a wall time is the epoch second that the same
digits would be in UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from servicemanager.iotdb.window import Calendar, to_epoch

Seconds: TypeAlias = NDArray[np.int64]

SECONDS_OF_DAY = 86_400
#: Since 1972 every zone has changed its offset at a full quarter of an hour.
_QUARTER = 900
#: 1970-01-01 was a Thursday, and the platform counts Sunday as 1.
_THURSDAY = 4


def instant(day: date, minute: int, zone: ZoneInfo) -> int:
    """Return the epoch second at which clocks first show this wall time, or jump over it."""
    clock = datetime.combine(day, time(*divmod(minute, 60)), tzinfo=zone)
    return int(clock.timestamp())


def day_bounds(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return the instants at which a local day begins and ends: 23, 24 or 25 hours apart, as a rule."""
    whole = Calendar(zone).day(day)
    return to_epoch(whole.start_at), to_epoch(whole.end_at)


def wall_clock(instants: Seconds, zone: ZoneInfo) -> Seconds:
    """Tell what clocks in ``zone`` show at these instants."""
    if instants.size == 0:
        return instants
    quarters = instants // _QUARTER
    first = int(quarters.min())
    offsets = [_offset(quarter * _QUARTER, zone) for quarter in range(first, int(quarters.max()) + 1)]
    return instants + np.array(offsets, dtype=np.int64)[quarters - first]


def week_days(wall: Seconds) -> Seconds:
    """Give each day the number that the platform gives it: 1 is Sunday, 7 Saturday."""
    return (wall // SECONDS_OF_DAY + _THURSDAY) % 7 + 1


def calendar_columns(wall: Seconds) -> dict[str, Seconds]:
    """Fill the calendar columns of Facts, by their names there."""
    days = wall.astype("datetime64[s]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    return {
        "year": months.astype("datetime64[Y]").astype(np.int64) + 1970,
        "month": months.astype(np.int64) % 12 + 1,
        "day": (days - months).astype(np.int64) + 1,
        "week_day": week_days(wall),
        "hour": wall // 3600 % 24,
        "minute": wall // 60 % 60,
        "second": wall % 60,
    }


def _offset(at: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())
