"""Assessments as observations of incidents: which subject each trouble belongs to; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from servicemanager.alerts.incident import Gone, Incident, Observation, Right, Scope, Wrong
from servicemanager.alerts.records import GROUPS
from servicemanager.health.assess import Assessment
from servicemanager.health.guard import Contact, View
from servicemanager.iotdb.devices import Device

#: No group's subject: those end in a slash and something else.
FLEET_SUBJECT = "fleet/contact"
FOREIGN_SUBJECT = "fleet/foreign"
#: Everything that a check of the devices answers for.
SCOPE = Scope(prefixes=("fleet/", GROUPS))
_FLEET_KEY = "fleet"


def device_key(name: str) -> str:
    return f"device {name}"


def foreign_key(name: str) -> str:
    return f"foreign {name}"


def group_subject(group: str) -> str:
    """The last character is no space, so that the database does not take 'a' and 'a ' for the same."""
    return f"{GROUPS}{group}/silent"


def group_of(subject: str) -> str | None:
    """The group whose subject it is; None where it is another trouble's."""
    head, tail = GROUPS, "/silent"
    fits = subject.startswith(head) and subject.endswith(tail) and len(subject) >= len(head) + len(tail)
    return subject[len(head) : -len(tail)] if fits else None


def known_members(incidents: Iterable[Incident]) -> dict[str, str]:
    """Key and device of every member of an open incident that is a registered device."""
    members = (m for i in incidents if not i.closed_at for m in i.members.values())
    return {m.key: m.name for m in members if m.key == device_key(m.name)}


def observe_devices(
    alarming: Iterable[Assessment],
    known: Mapping[str, str],
    found: Mapping[str, Device],
    view: View,
    settle: timedelta,
) -> dict[str, Observation]:
    """`found` holds the registered devices among the `known` members that are not alarming."""
    observed: dict[str, Observation] = {}
    for one in alarming:
        key = device_key(one.device.name)
        if view.admits_alarms or key in known:
            observed[key] = _wrong(one)
    for key, name in known.items():
        if key not in observed:
            observed[key] = _no_longer_wrong(found.get(name), settle)
    return observed


def _wrong(one: Assessment) -> Wrong:
    device = one.device
    assert device.group is not None  # noqa: S101 -- without a group a device waits for approval, and alarms nobody
    since_at = one.since_at
    assert since_at is not None  # noqa: S101 -- it was compared with the limit
    subject = group_subject(device.group)
    return Wrong(device.name, subject, device.group, since_at, one.status.value, device.type, device.version)


def _no_longer_wrong(device: Device | None, settle: timedelta) -> Observation:
    if device is None or device.group is None or device.seen_at is None:
        return Gone()
    return Right(device.seen_at, settle, group_subject(device.group), device.group)


def observe_fleet(view: View, latest_at: datetime | None, now: datetime) -> dict[str, Observation]:
    """That nothing at all is heard is one trouble of its own; it is over when the devices had time to return."""
    if view.contact is Contact.LOST and latest_at:
        return {_FLEET_KEY: Wrong("contact", FLEET_SUBJECT, "", latest_at, Contact.LOST.value)}
    if view.contact is Contact.NORMAL:
        back_at = view.watch.gaps[-1].end_at if view.watch.gaps else now
        return {_FLEET_KEY: Right(back_at, timedelta(0), FLEET_SUBJECT, "")}
    return {}


def observe_foreign(foreign: Iterable[Device], incidents: Iterable[Incident], now: datetime) -> dict[str, Observation]:
    """Devices that announce themselves without being registered, and members that no longer do."""
    members = (m for i in incidents if not i.closed_at for m in i.members.values())
    known = [m.key for m in members if m.key == foreign_key(m.name)]
    observed: dict[str, Observation] = {
        foreign_key(d.name): Wrong(d.name, FOREIGN_SUBJECT, "", d.seen_at or now, "foreign") for d in foreign
    }
    return {key: Right(now, timedelta(0), FOREIGN_SUBJECT, "") for key in known} | observed
