"""How an instant stands in the column creationDate, and back.

A TIMESTAMP column holds instants; our sessions see it in UTC. A DATETIME column of an older
installation holds the wall time of one zone: an hour that autumn repeats is read as its first pass,
an hour that spring skips as the last tick before the change. Both maps keep the order of the values,
so that a range of wall times is a range of instants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from servicemanager.errors import DatabaseRefused
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.window import SECOND, Window, end_of_gap, in_gap

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints: TypeAlias = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- wall times have no zone
_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US
_MICROSECOND = timedelta(microseconds=1)


class StoredTime(Protocol):
    """The two maps; stored values are naive datetimes, or microseconds since 1970 in arrays."""

    def to_stored(self, instant: datetime) -> datetime: ...

    def to_instant(self, stored: datetime, until: datetime) -> datetime:
        """The last instant up to `until` that is stored so; without one, the first."""

    def to_window(self, begin: datetime, end: datetime) -> Window: ...

    def to_utc(self, stored_us: Ints) -> Ints: ...


@dataclass(frozen=True)
class UtcTime:
    """A TIMESTAMP column, seen in UTC."""

    def to_stored(self, instant: datetime) -> datetime:
        return instant.astimezone(UTC).replace(tzinfo=None)

    def to_instant(self, stored: datetime, until: datetime) -> datetime:  # noqa: ARG002 -- there is only one
        return stored.replace(tzinfo=UTC)

    def to_window(self, begin: datetime, end: datetime) -> Window:
        return Window(begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC))

    def to_utc(self, stored_us: Ints) -> Ints:
        return stored_us


@dataclass(frozen=True)
class WallTime:
    """A DATETIME column that holds the wall time of `zone`."""

    zone: ZoneInfo

    def to_stored(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None)

    def to_instant(self, stored: datetime, until: datetime) -> datetime:
        first, last = self._instant(stored), stored.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        return last if first < last <= until else first

    def to_window(self, begin: datetime, end: datetime) -> Window:
        """The instants of the wall times from `begin` to `end`; never empty."""
        until = self._instant(end)
        return Window(min(self._instant(begin), until - SECOND), until)

    def to_utc(self, stored_us: Ints) -> Ints:
        return self._by(_MINUTE_US, stored_us)

    def _by(self, unit: int, stored_us: Ints) -> Ints:
        """Look the zone up once for each `unit` of time, and for each second where one is not as long as that."""
        # Only here: the daemon, which needs no arrays, stays smaller by them.
        import numpy as np

        units, where = np.unique(stored_us // unit, return_inverse=True)
        walls = [_EPOCH + timedelta(microseconds=int(number) * unit) for number in units]
        starts = np.array([self._micros(wall) for wall in walls], np.int64)
        skipped = np.array([in_gap(wall.replace(tzinfo=self.zone)) for wall in walls], np.bool_)
        found = np.where(skipped[where], starts[where] - 1, stored_us + (starts - units * unit)[where])
        if unit > _SECOND_US:
            ends = np.array([self._micros(wall + timedelta(microseconds=unit)) for wall in walls], np.int64)
            uneven = (skipped | (ends - starts != unit))[where]
            if uneven.any():
                found[uneven] = self._by(_SECOND_US, stored_us[uneven])
        return found

    def _micros(self, wall: datetime) -> int:
        return _micros(self._instant(wall).replace(tzinfo=None))

    def _instant(self, wall: datetime) -> datetime:
        local = wall.replace(tzinfo=self.zone, fold=0)
        instant = local.astimezone(UTC)
        return end_of_gap(instant, self.zone) if in_gap(local) else instant


def stored_time(kind: sa.types.TypeEngine[object], zone: str) -> StoredTime:
    """The maps of a column of the type `kind`; `zone` is that of wall times."""
    return WallTime(ZoneInfo(zone)) if isinstance(kind, mysql.DATETIME) else UtcTime()


def stored_times(database: Database, columns: Iterable[sa.Column[Any]], zone: str) -> list[StoredTime]:
    """The maps of some columns of the platform's tables. Raises DatabaseRefused where a table is missing."""
    columns = list(columns)
    with database.reading() as connection:
        inspector, types = sa.inspect(connection), {}
        for name in {column.table.name for column in columns}:
            try:
                types[name] = {column["name"]: column["type"] for column in inspector.get_columns(name)}
            except sa.exc.NoSuchTableError as error:
                raise DatabaseRefused(
                    f"There is no table {name} at {database.place}: check MYSQL_DATABASE, and the rights of the user."
                ) from error
    # A column that is missing is the matter of whoever asks for it.
    return [stored_time(types[column.table.name].get(column.name, column.type), zone) for column in columns]


def stored_micros(time: StoredTime, instant: datetime) -> int:
    """Microseconds since 1970 of `instant` as stored, on the scale of the column STORED."""
    return _micros(time.to_stored(instant))


def snap(time: StoredTime, instant: datetime) -> datetime:
    """The instant at or before `instant` at which a range of stored values can be cut."""
    return time.to_window(time.to_stored(instant), time.to_stored(instant + SECOND)).start_at


def _micros(naive: datetime) -> int:
    return (naive - _EPOCH) // _MICROSECOND
