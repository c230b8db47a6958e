"""Incidents as they stand in the database, for whoever lists them. Members are counted there, and read part by part.

Everything goes by the primary keys and the unique `open_subject`; nothing reads all that ever happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from servicemanager.alerts.text import counted, plain
from servicemanager.iotdb.tables import incident, incident_member

#: Of the newest incidents, when those of one member are looked for.
_LOOKED_AT = 5_000
#: Numbers in one statement.
_CHUNK = 5_000

#: What the subjects begin with that are about the devices of one group.
GROUPS = "group/"

_i, _m = incident.c, incident_member.c
_COLUMNS = (_i.id, _i.subject, _i.opened_at, _i.told_at, _i.closed_at)


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """`title` is one printable line, such as 'shop 1207: 6 silent'; `told_at` is None while nobody was told."""

    number: int
    subject: str
    title: str
    opened_at: datetime
    told_at: datetime | None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """One thing that is or was wrong within an incident; `key` is what members are listed by."""

    key: bytes
    name: str
    group: str
    trouble: str
    type: str | None
    version: str | None
    since_at: datetime
    better_at: datetime | None
    ended: str | None


def fetch_open(connection: sa.Connection, most: int) -> tuple[list[IncidentRecord], int]:
    """Open incidents, the oldest first, and how many more there are.

    Of devices' groups, which there may be many of, the newest are listed, at most so many; others all.
    """
    still = _i.open_subject.is_not(None)
    of_groups = _i.open_subject.like(f"{GROUPS}%")
    newest = sa.select(*_COLUMNS).where(still, of_groups).order_by(_i.id.desc()).limit(most)
    others = sa.select(*_COLUMNS).where(still, ~of_groups).order_by(_i.id.desc()).limit(most)
    found = sorted(_records(connection, newest) + _records(connection, others), key=lambda each: each.number)
    total = connection.execute(sa.select(sa.func.count()).select_from(incident).where(still)).scalar_one()
    return found, max(0, total - len(found))


def fetch_newest(
    connection: sa.Connection, *, open_ones: bool, closed_ones: bool, before: int | None, limit: int
) -> list[IncidentRecord]:
    """Incidents numbered below `before`, the newest first."""
    query = sa.select(*_COLUMNS).order_by(_i.id.desc()).limit(limit)
    if not (open_ones and closed_ones):
        query = query.where(_i.open_subject.is_not(None) if open_ones else _i.open_subject.is_(None))
    if before is not None:
        query = query.where(_i.id < before)
    return _records(connection, query)


def fetch_one(connection: sa.Connection, number: int) -> IncidentRecord | None:
    return next(iter(_records(connection, sa.select(*_COLUMNS).where(_i.id == number))), None)


def fetch_of_member(connection: sa.Connection, keys: Iterable[str], limit: int) -> list[IncidentRecord]:
    """The latest incidents that one of these members is or was part of: open ones first, then the newest."""
    newest = connection.execute(sa.select(sa.func.max(_i.id))).scalar() or 0
    for_each = incident.join(
        incident_member, (_m.incident_id == _i.id) & _m.member_key.in_([key.encode() for key in keys])
    )
    recent = _i.open_subject.is_not(None) | (_i.id > newest - _LOOKED_AT)
    closed_last = sa.case((_i.closed_at.is_(None), 0), else_=1)
    query = sa.select(*_COLUMNS).distinct().select_from(for_each).where(recent)
    return _records(connection, query.order_by(closed_last, _i.id.desc()).limit(limit))


def fetch_members(connection: sa.Connection, number: int, after: bytes | None, limit: int) -> list[MemberRecord]:
    """By key, beyond `after`."""
    query = sa.select(incident_member).where(_m.incident_id == number).order_by(_m.member_key).limit(limit)
    if after is not None:
        query = query.where(_m.member_key > after)
    return [_member(row) for row in connection.execute(query)]


def _member(row: Any) -> MemberRecord:
    of_group = (row.name, row.group_name, row.trouble, row.type, row.version)
    return MemberRecord(bytes(row.member_key), *of_group, row.since_at, row.better_at, row.ended)


def _records(connection: sa.Connection, query: sa.Select[Any]) -> list[IncidentRecord]:
    rows = connection.execute(query).all()
    counts = _counts(connection, [row.id for row in rows])
    return [
        IncidentRecord(
            row.id, row.subject, _title(row, counts.get(row.id, ())), row.opened_at, row.told_at, row.closed_at
        )
        for row in rows
    ]


def _counts(connection: sa.Connection, numbers: Sequence[int]) -> Mapping[int, Sequence[Any]]:
    """What is wrong within each incident, or, where that is over, was: by group and trouble, with one of the names."""
    kinds = (_m.incident_id, _m.group_name, _m.trouble)
    still = _m.ended.is_(None) | _i.closed_at.is_not(None)
    query = (
        sa.select(*kinds, sa.func.count().label("number"), sa.func.min(_m.name).label("name"))
        .join(incident, _i.id == _m.incident_id)
        .where(still)
        .group_by(*kinds)
        .order_by(*kinds)
    )
    counts: dict[int, list[Any]] = defaultdict(list)
    for start in range(0, len(numbers), _CHUNK):
        for row in connection.execute(query.where(_m.incident_id.in_(numbers[start : start + _CHUNK]))):
            counts[row.incident_id].append(row)
    return counts


def _title(row: Any, counts: Sequence[Any]) -> str:
    if not counts:
        over = "over" if row.closed_at else "over, which waits to be told"
        return f"{plain(row.subject)}: {over}"
    first = counts[0]
    if len(counts) == first.number == 1 and not first.group_name:
        return f"{plain(first.name)} {first.trouble}".rstrip()
    troubles = ", ".join(f"{counted(row.number)} {row.trouble}" for row in counts)
    return f"{plain(first.group_name)}: {troubles}" if first.group_name else troubles
