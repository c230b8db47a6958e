"""The database as pages and the API use it: few connections, short answers, and what was seen of its tables."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from servicemanager.errors import DatabaseRefused
from servicemanager.iotdb.devices import Devices
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.platform_tables import device_statistics, history_status
from servicemanager.iotdb.stored import StoredTime, stored_times
from servicemanager.iotdb.waiting import Waiting
from servicemanager.service.desk.shared import Shared

#: Seconds after which a database that was away is tried again, and after which its tables are looked at anew.
_AGAIN, _TABLES = 2.0, 300.0


@dataclass(frozen=True)
class Known:
    """Where a table of the platform is missing, or may not be read, there is None: a page lacks that part, no more."""

    devices: Devices
    history: StoredTime | None
    published: StoredTime | None
    waiting: Waiting | None

    @classmethod
    def of(cls, database: Database, zone: str) -> Known:
        """Raises DatabaseRefused without Registration and Announcement."""
        history, published = (_time(database, table, zone) for table in (history_status, device_statistics))
        return cls(Devices.open(database, zone), history, published, _waiting(database, zone))


class Door:
    """Opens the database when it is first needed. Thread-safe."""

    def __init__(self, connect: Callable[[], Database], zone: Callable[[], str]) -> None:
        self._connect, self._zone = connect, zone
        self._lock = threading.Lock()
        self._open: Database | None = None
        self._opened = Shared(self._opening, _AGAIN)
        self._known = Shared(lambda: Known.of(self.database, self._zone()), _TABLES)

    @property
    def database(self) -> Database:
        """Raises DatabaseUnreachable."""
        return self._open or self._opened.get()

    @property
    def known(self) -> Known:
        """Raises DatabaseUnreachable, and DatabaseRefused where the platform's tables are missing."""
        return self._known.get()

    def close(self) -> None:
        with self._lock:
            if self._open:
                self._open.close()

    def _opening(self) -> Database:
        with self._lock:
            if self._open is None:
                self._open = self._connect()
            return self._open


def _time(database: Database, table: sa.Table, zone: str) -> StoredTime | None:
    """How its column creationDate holds an instant."""
    try:
        return stored_times(database, [table.c.creationDate], zone)[0]
    except DatabaseRefused:
        return None


def _waiting(database: Database, zone: str) -> Waiting | None:
    try:
        return Waiting.open(database, zone)
    except DatabaseRefused:
        return None
