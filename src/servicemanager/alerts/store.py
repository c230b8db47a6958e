"""Incidents and silences in the database.

An incident is changed only by whoever still sees the version that it read: of two instances that decide at once, one
commits, and the other's whole transaction, message included, is rolled back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from servicemanager.alerts.decide import Decision
from servicemanager.alerts.incident import DAY, Ending, Incident, Member, Scope, Told
from servicemanager.alerts.silence import Silence, Target
from servicemanager.errors import DatabaseBusy
from servicemanager.iotdb import tables

_table = tables.incident


def load_incidents(connection: sa.Connection, now: datetime, scope: Scope) -> list[Incident]:
    """The open ones, and those closed within the last day."""
    wanted = _table.c.open_subject.is_not(None) | (_table.c.closed_at > now - DAY)
    query = sa.select(_table).where(_within(scope), wanted).order_by(_table.c.id)
    return [_incident(row) for row in connection.execute(query) if scope.covers(row.subject)]


def open_incidents(connection: sa.Connection) -> list[Incident]:
    """Of every subject, oldest first."""
    query = sa.select(_table).where(_table.c.open_subject.is_not(None)).order_by(_table.c.id)
    return [_incident(row) for row in connection.execute(query)]


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
    saved = save_incidents(tx, before, [decision.told(now).closed_if_over(now) for decision in decisions])
    return [
        replace(decision, incident=replace(decision.incident, number=incident.number))
        for decision, incident in zip(decisions, saved, strict=True)
    ]


def save_incidents(tx: sa.Connection, before: Iterable[Incident], after: Iterable[Incident]) -> list[Incident]:
    """Store what differs, and return `after` with numbers. Raises DatabaseBusy where another instance was first."""
    known = {incident.number: incident for incident in before}
    return [
        incident if incident.number and incident == known.get(incident.number) else _save(tx, incident)
        for incident in after
    ]


def _save(tx: sa.Connection, incident: Incident) -> Incident:
    values = {
        "subject": incident.subject,
        "open_subject": None if incident.closed_at else incident.subject,
        "version": incident.version + 1,
        "opened_at": incident.opened_at,
        "told_at": incident.told_at,
        "closed_at": incident.closed_at,
        "members": json.dumps([_document(m) for m in incident.members.values()]),
    }
    if incident.number is None:
        made = tx.execute(_table.insert().values(**values)).inserted_primary_key
        assert made is not None  # noqa: S101 -- the table numbers its rows
        return replace(incident, number=int(made[0]), version=incident.version + 1)
    seen = (_table.c.id == incident.number, _table.c.version == incident.version)
    if tx.execute(_table.update().where(*seen).values(**values)).rowcount != 1:
        raise DatabaseBusy(f"Another instance has just changed incident #{incident.number}: the next check sees to it.")
    return replace(incident, version=incident.version + 1)


def _incident(row: Any) -> Incident:
    members = [_member(value, row.subject) for value in json.loads(row.members)]
    by_key = {member.key: member for member in members}
    return Incident(row.subject, row.opened_at, by_key, row.id, row.version, row.told_at, row.closed_at)


def _document(member: Member) -> dict[str, object]:
    """What is empty is left out: there may be many."""
    value = {
        "key": member.key,
        "name": member.name,
        "group": member.group,
        "since": member.since_at.isoformat(),
        "opened": [at.isoformat() for at in member.opened],
        "trouble": member.trouble,
        "type": member.type,
        "version": member.version,
        "told": member.told.value,
        "better": member.better_at and member.better_at.isoformat(),
        "ended": member.ended and member.ended.value,
    }
    return {name: content for name, content in value.items() if content is not None}


def _member(value: Mapping[str, Any], subject: str) -> Member:
    return Member(
        key=value["key"],
        name=value["name"],
        subject=subject,
        group=value["group"],
        since_at=datetime.fromisoformat(value["since"]),
        opened=tuple(map(datetime.fromisoformat, value["opened"])),
        trouble=value["trouble"],
        type=value.get("type"),
        version=value.get("version"),
        told=Told(value["told"]),
        better_at=datetime.fromisoformat(value["better"]) if "better" in value else None,
        ended=Ending(value["ended"]) if "ended" in value else None,
    )


def load_silences(connection: sa.Connection) -> list[Silence]:
    rows = connection.execute(sa.select(tables.silence).order_by(tables.silence.c.id))
    return [
        Silence(
            target=Target(row.target),
            name=row.name,
            reason=row.reason,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            cron=row.cron,
            duration=None if row.duration_seconds is None else timedelta(seconds=row.duration_seconds),
            number=row.id,
        )
        for row in rows
    ]


def add_silence(tx: sa.Connection, silence: Silence) -> int:
    """Return its number."""
    seconds = None if silence.duration is None else int(silence.duration.total_seconds())
    values = {
        "target": silence.target.value,
        "name": silence.name,
        "reason": silence.reason,
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "cron": silence.cron,
        "duration_seconds": seconds,
    }
    made = tx.execute(tables.silence.insert().values(**values)).inserted_primary_key
    assert made is not None  # noqa: S101 -- the table numbers its rows
    return int(made[0])


def remove_silences(tx: sa.Connection, numbers: Sequence[int]) -> int:
    """Return how many there were."""
    return tx.execute(tables.silence.delete().where(tables.silence.c.id.in_(numbers))).rowcount
