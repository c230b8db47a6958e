"""What stands at this moment: the open incidents, and the messages that wait; for `status`, pages and metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from servicemanager.alerts.outbox import Outbox, Undelivered
from servicemanager.alerts.text import counted, plain
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.tables import incident, incident_member


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """`title` is one printable line, such as 'shop 1207: 6 silent'; `told_at` is None while nobody was told."""

    number: int
    subject: str
    title: str
    opened_at: datetime
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The open incidents, oldest first; `undelivered.age` is how long the oldest message has waited."""

    incidents: tuple[OpenIncident, ...]
    undelivered: Undelivered


def fetch_standing(database: Database) -> Standing:
    """Changes nothing; members are counted by the database."""
    member = incident_member.c
    wrong = (member.ended.is_(None), incident.c.open_subject.is_not(None))
    kinds = (member.incident_id, member.group_name, member.trouble)
    counting = (
        sa.select(*kinds, sa.func.count().label("number"), sa.func.min(member.name).label("name"))
        .join(incident, incident.c.id == member.incident_id)
        .where(*wrong)
        .group_by(*kinds)
        .order_by(*kinds)
    )
    columns = (incident.c.id, incident.c.subject, incident.c.opened_at, incident.c.told_at)
    with database.reading() as connection:
        counts: dict[int, list[Any]] = defaultdict(list)
        for row in connection.execute(counting):
            counts[row.incident_id].append(row)
        query = sa.select(*columns).where(incident.c.open_subject.is_not(None)).order_by(incident.c.id)
        found = tuple(
            OpenIncident(number, subject, _title(subject, counts[number]), opened_at, told_at)
            for number, subject, opened_at, told_at in connection.execute(query)
        )
    return Standing(found, Outbox(database).undelivered())


def _title(subject: str, counts: Sequence[Any]) -> str:
    if not counts:
        return f"{plain(subject)}: over, which waits to be told"
    first = counts[0]
    if len(counts) == first.number == 1 and not first.group_name:
        return f"{plain(first.name)} {first.trouble}".rstrip()
    troubles = ", ".join(f"{counted(row.number)} {row.trouble}" for row in counts)
    return f"{plain(first.group_name)}: {troubles}" if first.group_name else troubles
