"""A platform whose clock, devices and channels do what a test says, around the real check, store and outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from servicemanager.alerts.delivery import Delivery
from servicemanager.alerts.outbox import Outbox
from servicemanager.errors import NotDelivered
from servicemanager.health.assess import Limits
from servicemanager.health.check import Check, Checked, Rules
from servicemanager.iotdb import platform_tables
from servicemanager.iotdb.devices import Devices
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.upgrade import upgrade

ZONE = ZoneInfo("America/Sao_Paulo")
#: 09:00 in the shops.
MORNING = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class HandClock:
    now: datetime = MORNING

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class ClockedDatabase(Database):
    """The same database with a clock that a test moves."""

    clock: Callable[[], datetime] = field(default_factory=HandClock)

    def now(self, connection: sa.Connection) -> datetime:
        return self.clock()


def clocked(database: Database, clock: HandClock) -> ClockedDatabase:
    return ClockedDatabase(database.engine, database.dialect, database.place, database.account, clock)


@dataclass
class Pigeon:
    """A channel that can be told to fail."""

    name: str = "pigeon"
    sent: list[tuple[str, str]] = field(default_factory=list)
    failure: Exception | None = None

    def send(self, subject: str, body: str) -> str:
        if self.failure:
            raise self.failure
        self.sent.append((subject, body))
        return "flown"


DOWN = NotDelivered("the pigeon is tired")


@dataclass
class Platform:
    """Devices announce themselves when a test says so; the check runs when it says so."""

    database: Database
    clock: HandClock = field(default_factory=HandClock)
    pigeon: Pigeon = field(default_factory=Pigeon)
    rules: Rules = field(default_factory=lambda: Rules(Limits(timedelta(minutes=60)), ZONE))
    devices: Devices = field(default_factory=Devices)

    def __post_init__(self) -> None:
        upgrade(self.database)
        with self.database.transaction() as tx:
            platform_tables.platform.create_all(
                tx, tables=[platform_tables.registration, platform_tables.announcement, platform_tables.history_status]
            )
        self.database = clocked(self.database, self.clock)

    def register(self, group: str | None, *names: str, version: str = "1.2.0", kind: str = "board") -> None:
        """Register devices that were approved long ago."""
        long_ago = self.devices.registered.to_stored(self.clock.now - timedelta(days=100))
        rows = [
            {
                "device": name,
                "device_group": group,
                "registrationDate": long_ago,
                "creationDate": long_ago,
                "version": version,
                "type": kind,
            }
            for name in names
        ]
        with self.database.transaction() as tx:
            tx.execute(platform_tables.registration.insert(), rows)

    def announce(self, names: Iterable[str], at: datetime | None = None) -> None:
        names, at = list(names), self.devices.seen.to_stored(at or self.clock.now)
        if not names:
            return
        with self.database.transaction() as tx:
            tx.execute(platform_tables.announcement.delete().where(platform_tables.announcement.c.device.in_(names)))
            tx.execute(
                platform_tables.announcement.insert(), [{"device": name, "lastAnnouncementDate": at} for name in names]
            )

    def move(self, device: str, group: str | None) -> None:
        with self.database.transaction() as tx:
            its = platform_tables.registration.c.device == device
            tx.execute(platform_tables.registration.update().where(its).values(device_group=group))

    def unregister(self, device: str) -> None:
        with self.database.transaction() as tx:
            tx.execute(platform_tables.registration.delete().where(platform_tables.registration.c.device == device))

    def check(self) -> Checked:
        """Decide, and write it down."""
        with self.database.transaction() as tx:
            return Check(self.database, self.devices, self.rules, [self.pigeon.name]).run(tx)

    def deliver(self) -> int:
        outbox = Outbox(self.database)
        return Delivery(outbox, {self.pigeon.name: self.pigeon}, lambda: 0.0, lambda _: True).run()

    def pass_time(self, minutes: float, heard: Iterable[str] = ()) -> list[str]:
        """Let time pass in steps of ten minutes, with contacts of `heard`, a check and a delivery at each of them.

        Returns the subjects of the messages that arrived.
        """
        before, heard = len(self.pigeon.sent), list(heard)
        for _ in range(int(minutes // 10)):
            self.clock.now += 10 * MINUTE
            self.announce(heard, self.clock.now - timedelta(seconds=20))
            self.check()
            self.deliver()
        return [subject for subject, _ in self.pigeon.sent[before:]]

    def with_rules(self, **changes) -> None:
        self.rules = replace(self.rules, **changes)
