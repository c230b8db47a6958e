"""The list of devices as a document.

By name, a part at a time is read. For every other order, and for those that are silent, a small fleet is read whole; of
a large one the open incidents know who is silent, as the last check of the devices found it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from servicemanager.alerts.wrong_members import Order, Wanted, WrongMember, fetch_wrong
from servicemanager.errors import ConfigurationError
from servicemanager.health.assess import Assessment, Horizon, Limits, Status, assess
from servicemanager.iotdb.device_list import DeviceList, Filter, Part
from servicemanager.iotdb.devices import Device as Found
from servicemanager.iotdb.devices import Devices
from servicemanager.service.desk import cursors
from servicemanager.web.documents.devices import Device, Query, Sort

#: Up to so many devices are read whole.
SMALL = 5_000
_ALARMING = (Status.SILENT, Status.NEVER_SEEN)
_ORDERS = {Sort.NAME: Order.NAME, Sort.GROUP: Order.GROUP, Sort.SEEN: Order.SINCE}
#: Parts of a cursor: by name within the names, then within the groups, that begin with what is searched.
_NAMES, _GROUPS = "n", "g"
_Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Fleet:
    """What a list of devices is made from, at one moment."""

    connection: sa.Connection
    devices: DeviceList
    horizon: Horizon
    limits: Limits
    now: datetime
    #: All registered devices, assessed; None where there are too many of them.
    few: Sequence[Assessment] | None

    def assess(self, device: Found) -> Assessment:
        return assess(device, self.horizon, self.limits)

    def page(self, query: Query) -> tuple[list[Assessment], str | None]:
        """The next devices, and where those after them begin. Raises ConfigurationError for a mark that isn't ours."""
        if query.status is Status.FOREIGN or (query.sort is Sort.NAME and query.status not in _ALARMING):
            return self._by_name(query)
        if self.few is not None:
            return _of_few(self.few, query)
        if query.status in _ALARMING or query.sort is Sort.SEEN:
            return self._of_wrong(query)
        raise ConfigurationError(
            f"More than {SMALL:,} devices are not put in order by group: choose a group, or sort by name."
        )

    def _of_wrong(self, query: Query) -> tuple[list[Assessment], str | None]:
        if query.status not in {None, *_ALARMING}:
            raise ConfigurationError(
                f"Of more than {SMALL:,} devices only those that are silent are put in order by their last "
                "contact: leave the status out, or sort by name."
            )
        troubles = [status.value for status in _ALARMING if query.status in {None, status}]
        wanted = Wanted(troubles, query.search, query.group, query.type)
        after = None if query.after is None else _wrong_member(query.after)
        members = fetch_wrong(self.connection, wanted, _ORDERS[query.sort], after, query.limit + 1)
        shown = members[: query.limit]
        known = self.devices.devices.fetch(self.connection, (member.name for member in shown), self.now)
        assessed = (self.assess(known[member.name]) for member in shown if member.name in known)
        # Since the last check some may have been heard of.
        found = [one for one in assessed if one.is_alarming and _fits(one, query)]
        return found, _cursor(shown[-1]) if len(members) > query.limit else None

    def _by_name(self, query: Query) -> tuple[list[Assessment], str | None]:
        stage, after = (_NAMES, None) if query.after is None else _stage(query.after)
        found: list[Found] = []
        if stage == _NAMES:
            part = self._part(query, Filter(name_begins=query.search), after, query.limit)
            found, after = part.devices, None
            if part.end is not None:
                return list(map(self.assess, found)), cursors.encode(_NAMES, part.end)
            if not query.search:
                return list(map(self.assess, found)), None
        left = query.limit - len(found)
        if not left:
            return list(map(self.assess, found)), cursors.encode(_GROUPS, "")
        filter_ = Filter(group_begins=query.search, name_begins_not=query.search)
        part = self._part(query, filter_, after or None, left)
        more = None if part.end is None else cursors.encode(_GROUPS, part.end)
        return list(map(self.assess, [*found, *part.devices])), more

    def _part(self, query: Query, by: Filter, after: str | None, limit: int) -> Part:
        foreign = query.status is Status.FOREIGN
        if foreign and (by.group_begins or query.group is not None or query.type is not None):
            return Part([], None)
        waiting = None if query.status is None or foreign else query.status is Status.WAITING
        wanted = Filter(
            name_begins=by.name_begins,
            name_begins_not=by.name_begins_not,
            group_begins=by.group_begins,
            group=query.group,
            type=query.type,
            waiting=waiting,
            foreign=foreign,
            also=lambda device: query.status in {None, self.assess(device).status},
        )
        return self.devices.fetch(self.connection, wanted, after, limit, self.now)


def fetch_few(
    connection: sa.Connection, devices: Devices, horizon: Horizon, limits: Limits, now: datetime
) -> Sequence[Assessment] | None:
    """All registered devices, where there are few."""
    if devices.are_many(connection, SMALL):
        return None
    return [assess(device, horizon, limits) for device in devices.fetch_all(connection, now)]


def device_values(one: Assessment) -> dict[str, object]:
    device = one.device
    return {
        "name": device.name,
        "group": device.group,
        "type": device.type,
        "version": device.version,
        "status": one.status,
        "registered_at": device.registered_at,
        "seen_at": device.seen_at,
        "silent_seconds": one.silence.total_seconds(),
        "limit_seconds": one.limit.total_seconds(),
    }


def device_documents(assessed: Iterable[Assessment]) -> tuple[Device, ...]:
    return tuple(Device.model_validate(device_values(one)) for one in assessed)


def _of_few(few: Iterable[Assessment], query: Query) -> tuple[list[Assessment], str | None]:
    key = _KEYS[query.sort]
    found = sorted((one for one in few if _fits(one, query)), key=key)
    if query.after is not None:
        beyond = tuple(cursors.decode(query.after, *_KINDS[query.sort]))
        found = [one for one in found if key(one) > beyond]
    shown = found[: query.limit]
    return shown, cursors.encode(*key(shown[-1])) if len(found) > query.limit else None


def _fits(one: Assessment, query: Query) -> bool:
    device, group = one.device, one.device.group
    return (
        query.status in {None, one.status}
        and query.group in {None, group}
        and query.type in {None, device.type}
        and (device.name.startswith(query.search) or (group or "").startswith(query.search))
    )


def _seen(one: Assessment) -> int:
    """Microseconds since 1970 of the last contact, or of the approval."""
    since_at = one.since_at
    return 0 if since_at is None else max(0, (since_at - _EPOCH) // timedelta(microseconds=1))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS: dict[Sort, Callable[[Assessment], _Key]] = {
    Sort.NAME: lambda one: (one.device.name,),
    Sort.GROUP: lambda one: (one.device.group or "", one.device.name),
    Sort.SEEN: lambda one: (_seen(one), one.device.name),
}
_KINDS: dict[Sort, Sequence[type[str | int]]] = {Sort.NAME: (str,), Sort.GROUP: (str, str), Sort.SEEN: (int, str)}


def _cursor(member: WrongMember) -> str:
    micros = (member.since_at - _EPOCH) // timedelta(microseconds=1)
    return cursors.encode(member.name, member.group, max(0, micros))


def _wrong_member(cursor: str) -> WrongMember:
    name, group, micros = cursors.decode(cursor, str, str, int)
    try:
        since_at = _EPOCH + timedelta(microseconds=int(micros))
    except OverflowError as error:
        raise ConfigurationError("`after` is no mark of a list's next part: take it from `next` as it is.") from error
    return WrongMember(str(name), str(group), since_at)


def _stage(cursor: str) -> tuple[str, str]:
    stage, name = map(str, cursors.decode(cursor, str, str))
    return stage, name
