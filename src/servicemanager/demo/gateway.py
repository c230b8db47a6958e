"""The simulated fleet goes on: a gateway that inserts readings and notes contacts while the service runs on it.

Now and then one shop loses its power for some minutes, so that there is something to be told.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from servicemanager.demo.fleet import SENSORS, Board, Fleet
from servicemanager.iotdb import platform_tables
from servicemanager.iotdb.engine import Database

#: Of every so many minutes the first shop is dark for some.
_CYCLE, _DARK = 15, range(3, 9)
_LEVELS = {1: (6, 3), 2: (220, 8), 3: (45, 5)}


@dataclass
class Gateway:
    """`zone` is that of the boards' own clocks."""

    database: Database
    fleet: Fleet
    zone: ZoneInfo

    def call(self) -> None:
        """Every board with power calls once: however long the demo took until now, none was silent."""
        self._called([board.device for board in self._lit(dark=False)])

    def run(self, stop: threading.Event) -> None:
        """A few inserts each second until `stop` is set."""
        began = datetime.now(UTC)
        rng = np.random.default_rng([self.fleet.seed, 9])
        while not stop.wait(1.0):
            now = datetime.now(UTC).replace(microsecond=0)
            dark = int((now - began).total_seconds() / 60) % _CYCLE in _DARK
            self.tick(now, rng, dark=dark)

    def tick(self, now: datetime, rng: np.random.Generator, *, dark: bool) -> None:
        """What arrives in one second: the boards whose turn it is, without the first shop where that is dark."""
        second = int(now.timestamp())
        boards = [board for board in self._lit(dark=dark) if board.phase == second % self.fleet.interval]
        rows = [self._reading(board, sensor, now, rng) for board in boards for sensor in SENSORS]
        calling = [board.device for board in self._lit(dark=dark) if board.phase % 20 == second % 20]
        if rows:
            with self.database.transaction() as tx:
                tx.execute(platform_tables.facts.insert(), rows)
        self._called(calling)

    def _called(self, devices: Sequence[str]) -> None:
        called = platform_tables.announcement.update().where(platform_tables.announcement.c.device.in_(devices))
        with self.database.transaction() as tx:
            tx.execute(called.values(lastAnnouncementDate=sa.func.current_timestamp()))

    def _lit(self, *, dark: bool) -> Iterator[Board]:
        dead = {death.board for death in self.fleet.deaths}
        for number, board in enumerate(self.fleet.boards):
            if number not in dead and not (dark and board.shop == 0):
                yield board

    def _reading(self, board: Board, sensor: int, now: datetime, rng: np.random.Generator) -> dict[str, object]:
        wall = now.astimezone(self.zone)
        level, spread = _LEVELS[sensor]
        return {
            "channel": self.fleet.channel,
            "year": wall.year,
            "month": wall.month,
            "day": wall.day,
            "week_day": wall.isoweekday() % 7 + 1,
            "hour": wall.hour,
            "minute": wall.minute,
            "second": wall.second,
            "device_group": self.fleet.shops[board.shop].name,
            "device": board.device,
            "sensor": sensor,
            "data": max(0, int(rng.normal(level, spread))),
            "creationDate": now.replace(tzinfo=None),
        }
