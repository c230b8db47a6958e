"""What is wrong at the moment, member by member, in several orders: open incidents know, however large the fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from servicemanager.iotdb.tables import incident, incident_member

_i, _m = incident.c, incident_member.c
_LAST_CHARACTER = "\U0010ffff"


class Order(StrEnum):
    """By what members are listed; those that are equal go by name."""

    NAME = "name"
    GROUP = "group"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class WrongMember:
    name: str
    group: str
    since_at: datetime


@dataclass(frozen=True)
class Wanted:
    """Which members; `begins` is what the name or the group begins with. All of it is compared by bytes."""

    troubles: Sequence[str]
    begins: str = ""
    group: str | None = None
    type: str | None = None


def fetch_wrong(
    connection: sa.Connection, wanted: Wanted, order: Order, after: WrongMember | None, limit: int
) -> list[WrongMember]:
    """The first members of open incidents beyond `after`."""
    query = sa.select(_m.name, _m.group_name, _m.since_at).join(incident, _i.id == _m.incident_id)
    query = query.where(_i.open_subject.is_not(None), _m.ended.is_(None), _m.trouble.in_(wanted.troubles))
    if wanted.group is not None:
        query = query.where(_m.group_name == wanted.group)
    if wanted.type is not None:
        query = query.where(_m.type == wanted.type)
    if wanted.begins:
        columns = (_m.name, _m.group_name)
        query = query.where(sa.or_(*(each.between(wanted.begins, wanted.begins + _LAST_CHARACTER) for each in columns)))
    if after is not None:
        query = query.where(_beyond(order, after))
    first = {Order.NAME: [], Order.GROUP: [_m.group_name], Order.SINCE: [_m.since_at]}[order]
    rows = connection.execute(query.order_by(*first, _m.name).limit(limit))
    return [WrongMember(*row) for row in rows]


def _beyond(order: Order, after: WrongMember) -> sa.ColumnElement[bool]:
    match order:
        case Order.NAME:
            return _m.name > after.name
        case Order.GROUP:
            return (_m.group_name > after.group) | ((_m.group_name == after.group) & (_m.name > after.name))
        case Order.SINCE:
            return (_m.since_at > after.since_at) | ((_m.since_at == after.since_at) & (_m.name > after.name))
