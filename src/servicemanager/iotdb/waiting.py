"""Messages that wait for one device: unread ones, and those that it gets at every poll."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.platform_tables import messages
from servicemanager.iotdb.stored import StoredTime, stored_times

#: Of the newest messages, where the table has no index by device.
LOOKED_AT = 100_000

_c = messages.c


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """Times are None where there is none, or where a zero date stands for it."""

    number: int
    sender: str
    delivery_type: str
    message: str
    created_at: datetime | None
    read_at: datetime | None


@dataclass(frozen=True)
class Waiting:
    """The table Messages: how its times stand in it, and from which number on messages are looked at."""

    created: StoredTime
    read: StoredTime
    indexed: bool

    @classmethod
    def open(cls, database: Database, datetime_zone: str) -> Waiting:
        """Raises DatabaseRefused where there is no such table."""
        created, read = stored_times(database, (_c.creationDate, _c.readDate), datetime_zone)
        with database.reading() as connection:
            indexes = sa.inspect(connection).get_indexes(messages.name)
        return cls(created, read, any(index["column_names"][:1] == [_c.device.name] for index in indexes))

    def fetch(
        self, connection: sa.Connection, device: str, limit: int, now: datetime
    ) -> tuple[list[WaitingMessage], int]:
        """The oldest messages that wait for the device, and how many there are."""
        where = self._where(connection, device)
        by_bytes = sa.cast(_c.device, sa.LargeBinary)
        counting = sa.select(sa.func.min(_c.device), sa.func.count()).where(where).group_by(by_bytes)
        count = sum(number for name, number in connection.execute(counting) if name == device)
        if not count:
            return [], 0
        # Some of them may be of a device whose name differs by its bytes alone.
        rows = connection.execute(sa.select(messages).where(where).order_by(_c.ID).limit(10 * limit))
        found: list[WaitingMessage] = []
        for row in rows:
            if row.device == device:
                its = (row.ID, row.sender or "", row.delivery_type, row.message or "")
                at = (_instant(self.created, row.creationDate, now), _instant(self.read, row.readDate, now))
                found.append(WaitingMessage(*its, *at))
            if len(found) == limit:
                break
        return found, count

    def _where(self, connection: sa.Connection, device: str) -> sa.ColumnElement[bool]:
        unread = (_c.delivery_type == "TRANSIENT") & _c.readDate.is_(None)
        where = (_c.device == device) & (unread | (_c.delivery_type == "PERSISTENT"))
        if self.indexed:
            return where
        newest = connection.execute(sa.select(sa.func.max(_c.ID))).scalar() or 0
        return where & (newest - LOOKED_AT < _c.ID)


def _instant(time: StoredTime, stored: object, now: datetime) -> datetime | None:
    return time.to_instant(stored, now) if isinstance(stored, datetime) else None
