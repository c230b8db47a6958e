"""A gateway that inserts old readings all the time, and knows afterwards which rows there must be, and how often.

Each row's channel bears a number of its own, so that no two are equal but those that are meant to be.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pymysql

from .exports import days_ago
from .iotdb import PLACEHOLDERS, Row, reading
from .mariadb import Server

#: How far back the arrivals begin, and over how many days they go before they begin anew.
_BACK, _SPAN = 300, 280
#: Days that get rows in turn, so that an export finds many and none gets new ones all the time ...
_ABREAST = 6
#: ... and batches after which the oldest of them gets no more.
_PER_DAY = 150


@dataclass
class Gateway:
    """Inserts `batch` rows at a time, each a transaction, at about `rate` rows a second until it is stopped."""

    server: Server
    schema: str
    rate: float = 50.0
    batch: int = 10
    #: What was inserted for certain.
    expected: Counter = field(default_factory=Counter)
    #: Batches whose COMMIT had no answer: each is there entirely, or not at all.
    unsure: list[Counter] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _batches: int = 0

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        if self._thread:
            self._thread.join()

    def next_batch(self) -> list[Row]:
        """Rows of one day, the last of them twice."""
        number = self._batches
        self._batches += 1
        day = (number // _PER_DAY + number % _ABREAST) % _SPAN
        noon = days_ago(_BACK - day)
        rows = [_row(noon, number * self.batch + n) for n in range(self.batch - 1)]
        return [*rows, rows[-1]]

    def compare(self, found: Counter) -> tuple[int, int]:
        """How many rows are lost and how many there are too often."""
        wanted = self.expected.copy()
        for batch in self.unsure:
            if any(found[row] > wanted[row] for row in batch):
                wanted += batch
        return (wanted - found).total(), (found - wanted).total()

    def _run(self) -> None:
        while not self._done.is_set():
            with suppress(pymysql.Error, OSError):
                self._insert_on_and_on()
            self._done.wait(0.1)

    def _insert_on_and_on(self) -> None:
        with closing(self.server.connect(self.schema)) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone='+00:00'")
            while not self._done.wait(self.batch / self.rate):
                self._insert(cursor, self.next_batch())

    def _insert(self, cursor: pymysql.cursors.Cursor, rows: Iterable[Row]) -> None:
        rows = list(rows)
        try:
            # One statement, so one transaction: `executemany` would make it one too, but says so nowhere.
            values = ",".join([f"({PLACEHOLDERS})"] * len(rows))
            cursor.execute(f"INSERT INTO Facts VALUES {values}", [value for row in rows for value in row])
        except BaseException:
            self.unsure.append(Counter(rows))
            raise
        self.expected.update(rows)


def _row(noon: datetime, number: int) -> Row:
    drawn = random.Random(number)  # noqa: S311 -- no secret
    return reading(
        noon + timedelta(seconds=drawn.randrange(-30_000, 30_000)),
        channel=f"reading {number}",
        device=f"board {number % 5}",
        sensor=number % 2,
        data=drawn.randrange(100),
    )


@dataclass
class Reader:
    """A gateway that looks at DeviceStatistics for each reading, and must never find it empty once it was filled."""

    server: Server
    schema: str
    #: How often it found no row, and how often it looked.
    empty: int = 0
    looked: int = 0
    filled: bool = False
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            with suppress(pymysql.Error, OSError):
                self._look_on_and_on()
            self._done.wait(0.1)

    def _look_on_and_on(self) -> None:
        with closing(self.server.connect(self.schema)) as connection, connection.cursor() as cursor:
            while not self._done.wait(0.05):
                cursor.execute("SELECT COUNT(*) FROM DeviceStatistics")
                (count,) = cursor.fetchone()
                self.filled |= count > 0
                self.looked += 1
                self.empty += self.filled and not count
