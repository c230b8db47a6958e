"""A shop loses its power while somebody watches: the one notice, the quiet after it, and the recovery.

Time does not pass in the demo. It is told by when the boards were last heard of, which is all that a check goes by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from servicemanager.health.report import Message
from servicemanager.iotdb import platform_tables
from servicemanager.iotdb.engine import Database
from servicemanager.service import Service

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Outage:
    """What people were told: at the outage, at the next check, on the recovery."""

    shop: str
    down: Message | None
    next_check: Message | None
    up: Message | None

    @property
    def was_told_once(self) -> bool:
        return self.down is not None and self.next_check is None and self.up is not None


def show_outage(service: Service, database: Database, shop: str) -> Outage:
    """Let the boards of `shop` fall silent and come back."""
    _check(service, database)  # what was wrong before is no part of this
    now = datetime.now(UTC)
    _heard(database, shop, now - 70 * _MINUTE)
    down, next_check = _check(service, database), _check(service, database)
    # A board is back once it has kept announcing itself for a while.
    _heard(database, shop, now - service.settings.health.back_after - _MINUTE)
    _check(service, database)
    _heard(database, shop, now)
    return Outage(shop, down, next_check, _check(service, database))


def _check(service: Service, database: Database) -> Message | None:
    with database.transaction() as tx:
        return service.check(database).run(tx).message


def _heard(database: Database, shop: str, at: datetime) -> None:
    boards = sa.select(platform_tables.registration.c.device).where(platform_tables.registration.c.device_group == shop)
    its = platform_tables.announcement.update().where(platform_tables.announcement.c.device.in_(boards))
    with database.transaction() as tx:
        tx.execute(its.values(lastAnnouncementDate=at.replace(tzinfo=None)))
