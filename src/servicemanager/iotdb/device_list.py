"""Lists of devices, part by part, over a million of them.

The platform's tables have but their primary keys, so a list goes by name. What a filter leaves over is looked for in
stretches of the key, for a bounded time: a part may hold fewer devices than were asked for, and still not be the last.
Filters compare bytes; the database, whose collation may find more, only chooses beforehand.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from servicemanager.iotdb.devices import Device, Devices
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.platform_tables import announcement, registration

#: Rows of one stretch, and seconds after which no further one begins.
_STRETCH, _SECONDS = 10_000, 0.08
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class Filter:
    """`None` stands for any; `waiting` are those without a group."""

    name_begins: str = ""
    group_begins: str = ""
    #: Leave those out whose name begins so: they were listed before.
    name_begins_not: str = ""
    group: str | None = None
    type: str | None = None
    waiting: bool | None = None
    #: Those that announced themselves without being registered, in place of those that are.
    foreign: bool = False
    #: What else is asked of a device, which the database can't tell.
    also: Callable[[Device], bool] = lambda _: True

    def admits(self, device: Device) -> bool:
        return (
            device.name.startswith(self.name_begins)
            and not (self.name_begins_not and device.name.startswith(self.name_begins_not))
            and (device.group or "").startswith(self.group_begins)
            and self.group in {None, device.group}
            and self.type in {None, device.type}
            and self.waiting in {None, device.group is None}
            and self.also(device)
        )

    @property
    def is_sparse(self) -> bool:
        """Whether few of the rows that the key finds may be admitted."""
        some = (self.group, self.type, self.waiting)
        return self.foreign or bool(self.group_begins) or any(value is not None for value in some)


@dataclass(frozen=True)
class Part:
    """`end` is the name beyond which the next part begins; None where there is nothing more."""

    devices: list[Device]
    end: str | None


@dataclass(frozen=True)
class DeviceList:
    """Reads the two tables."""

    database: Database
    devices: Devices
    stretch: int = _STRETCH
    seconds: float = _SECONDS
    clock: Callable[[], float] = time.monotonic

    def fetch(self, connection: sa.Connection, wanted: Filter, after: str | None, limit: int, now: datetime) -> Part:
        """The next devices by name, at most `limit`; fewer where time is up or there are no more."""
        until, found, position = self.clock() + self.seconds, list[Device](), after
        while True:
            end = self._end_of_stretch(connection, wanted, position) if wanted.is_sparse else None
            where = self._where(wanted, position)
            if end is not None:
                where &= self._key(wanted) <= end
            select = self.devices.select_foreign if wanted.foreign else self.devices.select
            rows = select(connection, where, now, limit + 1)
            found += filter(wanted.admits, rows)
            if len(found) > limit:
                return Part(found[:limit], found[limit - 1].name)
            whole = len(rows) <= limit
            if whole and end is None:
                return Part(found, None)
            position = end if whole else rows[-1].name
            if self.clock() >= until:
                return Part(found, position)

    def _end_of_stretch(self, connection: sa.Connection, wanted: Filter, after: str | None) -> str | None:
        """The name so many rows further; None where the list ends before."""
        key = self._key(wanted)
        query = sa.select(key).order_by(key).offset(self.stretch).limit(1)
        return connection.execute(query.where(self._range(wanted, after))).scalar()

    def _key(self, wanted: Filter) -> sa.Column[str]:
        return announcement.c.device if wanted.foreign else registration.c.device

    def _range(self, wanted: Filter, after: str | None) -> sa.ColumnElement[bool]:
        """What the key decides."""
        key = self._key(wanted)
        where = sa.true() if after is None else key > after
        return where & self._begins(key, wanted.name_begins) if wanted.name_begins else where

    def _where(self, wanted: Filter, after: str | None) -> sa.ColumnElement[bool]:
        where, r = self._range(wanted, after), registration.c
        if wanted.foreign:
            return where
        if wanted.group_begins:
            where &= self._begins(r.device_group, wanted.group_begins)
        if wanted.group is not None:
            where &= r.device_group == wanted.group
        if wanted.type is not None:
            where &= r.type == wanted.type
        if wanted.waiting is not None:
            where &= r.device_group.is_(None) if wanted.waiting else r.device_group.is_not(None)
        return where

    def _begins(self, column: sa.Column[str], text: str) -> sa.ColumnElement[bool]:
        if self.database.dialect == "sqlite":
            # Its LIKE uses no index.
            return (column >= text) & (column <= text + _LAST_CHARACTER)
        escaped = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
        return column.like(f"{escaped}%", escape="/")
