"""Incidents in the database, each with its members.

An incident is changed only by whoever still sees the version that it read: of two instances that decide at once, one
commits, and the other's whole transaction, message included, is rolled back. Only what differs is written, and many
rows in one statement, so that a hundred thousand members are a matter of seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from servicemanager.alerts.decide import Decision
from servicemanager.alerts.incident import DAY, Ending, Incident, Member, Scope, Told
from servicemanager.errors import DatabaseBusy
from servicemanager.iotdb import tables

_CHUNK = 1000

_table, _members = tables.incident, tables.incident_member
_COLUMNS = list(_members.columns)
#: Both dialects know it, and the driver makes one statement of many rows.
_REPLACE = sa.text(
    f"REPLACE INTO {_members.name} ({', '.join(c.name for c in _COLUMNS)}) "  # noqa: S608 -- names of our own
    f"VALUES ({', '.join(f':{c.name}' for c in _COLUMNS)})"
).bindparams(*(sa.bindparam(c.name, type_=c.type) for c in _COLUMNS))


def load_incidents(connection: sa.Connection, now: datetime, scope: Scope) -> list[Incident]:
    """The open ones, and those closed within the last day."""
    wanted = (_within(scope), _table.c.open_subject.is_not(None) | (_table.c.closed_at > now - DAY))
    rows = [
        row
        for row in connection.execute(sa.select(_table).where(*wanted).order_by(_table.c.id))
        if scope.covers(row.subject)
    ]
    subjects = {row.id: row.subject for row in rows}
    members: dict[int, dict[str, Member]] = {number: {} for number in subjects}
    joined = sa.select(_members).join(_table, _table.c.id == _members.c.incident_id).where(*wanted)
    for row in connection.execute(joined.order_by(_members.c.incident_id, _members.c.member_key)):
        # Another instance may have opened one since the first reading.
        if row.incident_id in subjects:
            member = _member(row, subjects[row.incident_id])
            members[row.incident_id][member.key] = member
    return [_incident(row, members[row.id]) for row in rows]


def open_subjects(connection: sa.Connection, scope: Scope) -> list[str]:
    query = sa.select(_table.c.open_subject).where(_within(scope), _table.c.open_subject.is_not(None))
    return [subject for subject in connection.execute(query).scalars() if scope.covers(subject)]


def _within(scope: Scope) -> sa.ColumnElement[bool]:
    """At least what the scope covers: a collation may find more."""
    subject = _table.c.subject
    begins = (sa.func.substr(subject, 1, len(prefix)) == prefix for prefix in scope.prefixes)
    return sa.or_(subject.in_(scope.subjects), *begins)


def save_decisions(
    tx: sa.Connection, before: Iterable[Incident], decisions: Sequence[Decision], now: datetime
) -> list[Decision]:
    """Store what is known once all of this is told, closed where it is over, and return it with the numbers.

    Raises DatabaseBusy where another instance was first.
    """
    after = [decision.told(now).closed_if_over(now) for decision in decisions]
    numbers = save_incidents(tx, before, after)
    return [
        decision if decision.incident.number else replace(decision, incident=replace(decision.incident, number=number))
        for decision, number in zip(decisions, numbers, strict=True)
    ]


def save_incidents(tx: sa.Connection, before: Iterable[Incident], after: Sequence[Incident]) -> list[int]:
    """Store what differs, and return the numbers of `after`. Raises DatabaseBusy where another instance was first."""
    known = {incident.number: incident for incident in before}
    opened = [incident for incident in after if incident.number is None]
    changed = [incident for incident in after if incident.number and incident != known.get(incident.number)]
    if not opened and not changed:
        return [incident.number for incident in after if incident.number]
    _swap(tx, changed)
    numbers = _open(tx, opened)
    numbered = [(incident, incident.number or numbers[incident.subject]) for incident in after]
    for incident in changed:
        _delete_members(tx, known[incident.number], incident)
    fresh = [
        _member_row(number, member)
        for incident, number in numbered
        if incident != known.get(number)
        for member in _news(known.get(number), incident)
    ]
    if fresh:
        tx.execute(_REPLACE, fresh)
    return [number for _, number in numbered]


def _swap(tx: sa.Connection, changed: Sequence[Incident]) -> None:
    if not changed:
        return
    seen = (_table.c.id == sa.bindparam("its_id"), _table.c.version == sa.bindparam("seen_version"))
    rows = [{"its_id": each.number, "seen_version": each.version, **_values(each)} for each in changed]
    if tx.execute(_table.update().where(*seen), rows).rowcount != len(rows):
        raise DatabaseBusy("Another instance has just changed the same incidents: the next check sees to them.")


def _open(tx: sa.Connection, opened: Sequence[Incident]) -> Mapping[str, int]:
    """Numbers by subject. Where another has opened one of them meanwhile, its unique `open_subject` is violated."""
    if not opened:
        return {}
    tx.execute(_table.insert(), [_values(incident) for incident in opened])
    query = sa.select(_table.c.open_subject, _table.c.id).where(_table.c.open_subject.is_not(None))
    return {subject: int(number) for subject, number in tx.execute(query)}


def _values(incident: Incident) -> dict[str, object]:
    return {
        "subject": incident.subject,
        "open_subject": None if incident.closed_at else incident.subject,
        "version": incident.version + 1,
        "opened_at": incident.opened_at,
        "told_at": incident.told_at,
        "closed_at": incident.closed_at,
        "members": "",
    }


def _news(old: Incident | None, new: Incident) -> Iterator[Member]:
    """Members that are not stored as they are."""
    stored = old.members if old else {}
    yield from (member for key, member in new.members.items() if member != stored.get(key))


def _delete_members(tx: sa.Connection, old: Incident, new: Incident) -> None:
    """Those that went to another incident."""
    left = [key.encode() for key in old.members.keys() - new.members.keys()]
    for start in range(0, len(left), _CHUNK):
        among = _members.c.member_key.in_(left[start : start + _CHUNK])
        tx.execute(_members.delete().where(_members.c.incident_id == old.number, among))


def _incident(row: Any, members: Mapping[str, Member]) -> Incident:
    return Incident(row.subject, row.opened_at, members, row.id, row.version, row.told_at, row.closed_at)


def _member_row(number: int, member: Member) -> dict[str, object]:
    return {
        "incident_id": number,
        "member_key": member.key.encode(),
        "name": member.name,
        "group_name": member.group,
        "trouble": member.trouble,
        "type": member.type,
        "version": member.version,
        "since_at": member.since_at,
        "opened": " ".join(at.isoformat() for at in member.opened),
        "told": member.told.value,
        "better_at": member.better_at,
        "ended": member.ended and member.ended.value,
    }


def _member(row: Any, subject: str) -> Member:
    return Member(
        key=bytes(row.member_key).decode(),
        name=row.name,
        subject=subject,
        group=row.group_name,
        since_at=row.since_at,
        opened=tuple(map(datetime.fromisoformat, row.opened.split())),
        trouble=row.trouble,
        type=row.type,
        version=row.version,
        told=Told(row.told),
        better_at=row.better_at,
        ended=Ending(row.ended) if row.ended else None,
    )
