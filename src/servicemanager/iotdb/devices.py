"""The platform's devices: who is registered, and when each was last heard of.

Only devices that may be in trouble leave the database: a check of a million boards reads a few thousand rows. Names
are compared by their bytes: 'AB:01' is not 'ab:01', whatever the column's collation says. All instants are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import sqlalchemy as sa

from servicemanager.iotdb.tables import announcement, registration

_CHUNK = 1000
_seen = announcement.c.lastAnnouncementDate
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


def latest_contact(connection: sa.Connection, until: datetime) -> datetime | None:
    """When any device was last heard of; what lies in the future of `until` does not count."""
    return _instant(connection.execute(sa.select(sa.func.max(_seen)).where(_seen <= _stored(until))).scalar())


def first_contact_after(connection: sa.Connection, after: datetime, until: datetime) -> datetime | None:
    """The earliest contact after `after` that no later contact of the same device has covered."""
    span = (_seen > _stored(after), _seen <= _stored(until))
    return _instant(connection.execute(sa.select(sa.func.min(_seen)).where(*span)).scalar())


def count_heard(connection: sa.Connection, after: datetime, until: datetime) -> int:
    """How many approved devices were last heard of after `after`, up to `until`."""
    span = (_seen > _stored(after), _seen <= _stored(until), registration.c.device_group.is_not(None))
    query = sa.select(sa.func.count()).select_from(registration.join(announcement, _same())).where(*span)
    return connection.execute(query).scalar_one()


def fetch_suspects(connection: sa.Connection, before: datetime) -> Iterator[Device]:
    """Approved devices last heard of before `before`, or never and registered before that."""
    seen, never = _seen < _stored(before), _seen.is_(None) & (_registered() < _stored(before))
    yield from _devices(connection, registration.c.device_group.is_not(None) & (seen | never))


def fetch_devices(connection: sa.Connection, names: Iterable[str]) -> dict[str, Device]:
    """Registered devices by name; those that are not registered are left out."""
    found: dict[str, Device] = {}
    wanted = iter(names)
    while chunk := list(islice(wanted, _CHUNK)):
        among = registration.c.device.in_(chunk)
        found |= {device.name: device for device in _devices(connection, among) if device.name in set(chunk)}
    return found


def fetch_all(connection: sa.Connection, group: str | None = None) -> Iterator[Device]:
    """Every registered device, or those of one group."""
    where = sa.true() if group is None else registration.c.device_group == group
    yield from (device for device in _devices(connection, where) if group in {None, device.group})


def fetch_foreign(connection: sa.Connection, after: datetime) -> Iterator[Device]:
    """Devices that announced themselves after `after` and are not registered."""
    joined = announcement.outerjoin(registration, _same())
    query = sa.select(announcement.c.device, _seen).select_from(joined)
    for name, seen_at in connection.execute(query.where(registration.c.device.is_(None), _seen > _stored(after))):
        yield Device(name, None, None, None, None, _instant(seen_at))


def group_sizes(connection: sa.Connection) -> dict[str, int]:
    """How many devices each group has."""
    group = registration.c.device_group
    by_bytes = sa.cast(group, sa.LargeBinary)
    query = sa.select(sa.func.min(group), sa.func.count()).where(group.is_not(None)).group_by(by_bytes)
    return {str(name): int(number) for name, number in connection.execute(query)}


def head_counts(connection: sa.Connection, now: datetime) -> Mapping[str, int]:
    """Devices by the status that the platform's view DeviceStatus gives them, 5 minutes counting as WARNING."""
    normal, warning = _stored(now - _NORMAL), _stored(now - _WARNING)
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


def _devices(connection: sa.Connection, where: sa.ColumnElement[bool]) -> Iterator[Device]:
    joined = registration.outerjoin(announcement, _same())
    r = registration.c
    query = sa.select(r.device, r.device_group, r.type, r.version, _registered(), _seen).select_from(joined)
    for name, group, kind, version, registered_at, seen_at in connection.execute(query.where(where)):
        # A zero date is no time: such a device counts as registered for ever.
        yield Device(name, group, kind, version, _instant(registered_at) or _EPOCH, _instant(seen_at))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _same() -> sa.ColumnElement[bool]:
    """The join: by the index first, then by bytes."""
    ours, theirs = registration.c.device, announcement.c.device
    return (ours == theirs) & (sa.cast(ours, sa.LargeBinary) == sa.cast(theirs, sa.LargeBinary))


def _registered() -> sa.ColumnElement[Any]:
    return sa.func.coalesce(
        registration.c.registrationDate, registration.c.creationDate, type_=registration.c.creationDate.type
    )


def _stored(instant: datetime) -> datetime:
    """As the platform stores it: naive UTC. A fraction of a second is kept, where the dialect can compare it."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def _instant(stored: object) -> datetime | None:
    """None for a zero date too, which the driver hands over as text."""
    return stored.replace(tzinfo=UTC) if isinstance(stored, datetime) else None
