"""The platform's devices: who is registered, and when each was last heard of.

Only devices that may be in trouble leave the database: a check of a million boards reads a few thousand rows. Names
are compared by their bytes: 'AB:01' is not 'ab:01', whatever the column's collation says. All instants are UTC; in
columns that hold wall times (DATETIME, in older installations) an hour that autumn repeats is read so that no device
seems silent for longer than it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.platform_tables import announcement, registration
from servicemanager.iotdb.stored import StoredTime, UtcTime, stored_times

#: Names in one statement.
_CHUNK, _GROUPS = 1000, 20_000
_EPOCH, _HOUR = datetime(1970, 1, 1, tzinfo=UTC), timedelta(hours=1)
_seen = announcement.c.lastAnnouncementDate
_registered, _created = registration.c.registrationDate, registration.c.creationDate
#: The platform's view counts whole minutes, so more than 15 are at least 16.
_NORMAL, _WARNING = timedelta(minutes=5), timedelta(minutes=16)


@dataclass(frozen=True, slots=True)
class Device:
    """A row of Registration, of Announcement, or of both. Without a group it waits for approval."""

    name: str
    group: str | None
    type: str | None
    version: str | None
    #: When it was approved, or else registered; None for a foreign device.
    registered_at: datetime | None
    seen_at: datetime | None

    @property
    def is_foreign(self) -> bool:
        return self.registered_at is None


@dataclass(frozen=True)
class Devices:
    """The two tables, and how each of their times stands in them."""

    seen: StoredTime = field(default_factory=UtcTime)
    registered: StoredTime = field(default_factory=UtcTime)
    created: StoredTime = field(default_factory=UtcTime)

    @classmethod
    def open(cls, database: Database, datetime_zone: str) -> Devices:
        """Look at the columns first. Raises DatabaseRefused where a table is missing."""
        return cls(*stored_times(database, (_seen, _registered, _created), datetime_zone))

    def recent_contact(self, connection: sa.Connection, after: datetime, until: datetime) -> datetime | None:
        """Any contact after `after`, up to `until`: where the fleet is well, one is found at once."""
        span = (_seen > self.seen.to_stored(after), _seen <= self.seen.to_stored(until))
        return _instant(self.seen, connection.execute(sa.select(_seen).where(*span).limit(1)).scalar(), until)

    def latest_contact(self, connection: sa.Connection, until: datetime) -> datetime | None:
        """When any device was last heard of, by reading them all; what lies in the future does not count."""
        bound = self.seen.to_stored(until)
        bounds = {bound} if self.seen.to_stored(until - _HOUR) < bound else {bound, bound + _HOUR}
        highest = (connection.execute(sa.select(sa.func.max(_seen)).where(_seen <= at)).scalar() for at in bounds)
        found = (_instant(self.seen, stored, until) for stored in highest)
        return max((at for at in found if at and at <= until), default=None)

    def first_contact_after(self, connection: sa.Connection, after: datetime, until: datetime) -> datetime | None:
        """The earliest contact after `after` that no later contact of the same device has covered."""
        span = (_seen > self.seen.to_stored(after), _seen <= self.seen.to_stored(until))
        return _instant(self.seen, connection.execute(sa.select(sa.func.min(_seen)).where(*span)).scalar(), until)

    def count_heard(self, connection: sa.Connection, after: datetime, until: datetime) -> int:
        """How many approved devices were last heard of after `after`, up to `until`.

        Where clocks changed in between, some that were heard shortly before or after count as well.
        """
        low, high = self.seen.to_stored(after), self.seen.to_stored(until)
        span = (_seen > min(low, high - (until - after)), _seen <= max(high, low + (until - after)))
        joined = registration.join(announcement, _same())
        query = sa.select(sa.func.count()).select_from(joined).where(*span, registration.c.device_group.is_not(None))
        return connection.execute(query).scalar_one()

    def fetch_suspects(self, connection: sa.Connection, before: datetime, now: datetime) -> Iterator[Device]:
        """Approved devices last heard of before `before`, or never and registered before that."""
        registered = _registered < self.registered.to_stored(before)
        created = _registered.is_(None) & (_created < self.created.to_stored(before))
        suspect = (_seen < self.seen.to_stored(before)) | (_seen.is_(None) & (registered | created))
        yield from self._devices(connection, registration.c.device_group.is_not(None) & suspect, now)

    def fetch(self, connection: sa.Connection, names: Iterable[str], now: datetime) -> dict[str, Device]:
        """Registered devices by name; those that are not registered are left out."""
        found: dict[str, Device] = {}
        wanted = iter(names)
        while chunk := list(islice(wanted, _CHUNK)):
            among, exactly = registration.c.device.in_(chunk), set(chunk)
            found |= {device.name: device for device in self._devices(connection, among, now) if device.name in exactly}
        return found

    def find(self, connection: sa.Connection, name: str, now: datetime) -> Device | None:
        """One device, registered or foreign."""
        return self.fetch(connection, [name], now).get(name) or self._announced(connection, name, now)

    def _announced(self, connection: sa.Connection, name: str, now: datetime) -> Device | None:
        query = sa.select(announcement.c.device, _seen).where(announcement.c.device == name)
        for found, seen_at in connection.execute(query):
            if found == name:
                return Device(name, None, None, None, None, _instant(self.seen, seen_at, now))
        return None

    def fetch_memo(self, connection: sa.Connection, name: str) -> str | None:
        query = sa.select(registration.c.device, registration.c.memo).where(registration.c.device == name)
        return next((memo for found, memo in connection.execute(query) if found == name), None)

    def are_many(self, connection: sa.Connection, limit: int) -> bool:
        """Whether there are more registered devices than `limit`, without counting them all."""
        some = sa.select(registration.c.device).limit(limit + 1).subquery()
        return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()) > limit

    def fetch_all(self, connection: sa.Connection, now: datetime, group: str | None = None) -> Iterator[Device]:
        """Every registered device, or those of one group."""
        where = sa.true() if group is None else registration.c.device_group == group
        yield from (device for device in self._devices(connection, where, now) if group in {None, device.group})

    def fetch_foreign(self, connection: sa.Connection, after: datetime, now: datetime) -> Iterator[Device]:
        """Devices that announced themselves after `after` and are not registered."""
        joined = announcement.outerjoin(registration, _same())
        query = sa.select(announcement.c.device, _seen).select_from(joined)
        strangers = query.where(registration.c.device.is_(None), _seen > self.seen.to_stored(after))
        for name, seen_at in connection.execute(strangers):
            yield Device(name, None, None, None, None, _instant(self.seen, seen_at, now))

    def head_counts(self, connection: sa.Connection, now: datetime) -> Mapping[str, int]:
        """Devices by the status that the platform's view DeviceStatus gives them, 5 minutes counting as WARNING."""
        normal, warning = (self.seen.to_stored(now - ago) for ago in (_NORMAL, _WARNING))
        status = sa.case(
            (registration.c.device_group.is_(None), "WAITING_APPROVE"),
            (_seen.is_(None), "UNKNOWN"),
            (_seen > normal, "NORMAL"),
            (_seen > warning, "WARNING"),
            else_="FAIL",
        )
        joined = registration.outerjoin(announcement, _same())
        query = sa.select(status.label("status"), sa.func.count()).select_from(joined).group_by(sa.text("status"))
        counted = {str(name): int(number) for name, number in connection.execute(query)}
        return {name: counted.get(name, 0) for name in ("NORMAL", "WARNING", "FAIL", "UNKNOWN", "WAITING_APPROVE")}

    def select(
        self, connection: sa.Connection, where: sa.ColumnElement[bool], now: datetime, limit: int
    ) -> list[Device]:
        """The first registered devices by name."""
        return list(self._devices(connection, where, now, limit))

    def select_foreign(
        self, connection: sa.Connection, where: sa.ColumnElement[bool], now: datetime, limit: int
    ) -> list[Device]:
        """The first by name that announced themselves and are not registered."""
        joined = announcement.outerjoin(registration, _same())
        query = (
            sa.select(announcement.c.device, _seen).select_from(joined).where(registration.c.device.is_(None), where)
        )
        rows = connection.execute(query.order_by(announcement.c.device).limit(limit))
        return [Device(name, None, None, None, None, _instant(self.seen, seen, now)) for name, seen in rows]

    def _devices(
        self, connection: sa.Connection, where: sa.ColumnElement[bool], now: datetime, limit: int | None = None
    ) -> Iterator[Device]:
        joined, r = registration.outerjoin(announcement, _same()), registration.c
        query = sa.select(r.device, r.device_group, r.type, r.version, _registered, _created, _seen).select_from(joined)
        query = query.where(where)
        if limit is not None:
            query = query.order_by(r.device).limit(limit)
        for name, group, kind, version, registered, created, seen in connection.execute(query):
            since_at = _instant(self.created, created, now)
            if registered is not None:
                since_at = _instant(self.registered, registered, now)
            # A zero date is no time: such a device counts as registered for ever.
            yield Device(name, group, kind, version, since_at or _EPOCH, _instant(self.seen, seen, now))


def group_sizes(connection: sa.Connection, groups: Iterable[str]) -> dict[str, int]:
    """How many devices each of the groups has."""
    group, wanted = registration.c.device_group, sorted(set(groups))
    by_bytes = sa.cast(group, sa.LargeBinary)
    sizes: dict[str, int] = {}
    # In few statements, for groups have no index: each of them reads every registration.
    for start in range(0, len(wanted), _GROUPS):
        among = group.in_(wanted[start : start + _GROUPS])
        query = sa.select(sa.func.min(group), sa.func.count()).where(among).group_by(by_bytes)
        sizes |= {str(name): int(number) for name, number in connection.execute(query)}
    return sizes


def _same() -> sa.ColumnElement[bool]:
    """The join: by the index first, then by bytes."""
    ours, theirs = registration.c.device, announcement.c.device
    return (ours == theirs) & (sa.cast(ours, sa.LargeBinary) == sa.cast(theirs, sa.LargeBinary))


def _instant(time: StoredTime, stored: object, now: datetime) -> datetime | None:
    """None for a zero date too, which the driver hands over as text."""
    return time.to_instant(stored, now) if isinstance(stored, datetime) else None
