"""What stands at this moment: the open incidents, and the messages that wait; for `status`, pages and metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from servicemanager.alerts.incident import Incident
from servicemanager.alerts.outbox import Outbox, Undelivered
from servicemanager.alerts.store import open_incidents
from servicemanager.alerts.text import counted, plain
from servicemanager.iotdb.engine import Database


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
    """Changes nothing."""
    with database.reading() as connection:
        incidents = tuple(
            OpenIncident(incident.number or 0, incident.subject, title(incident), incident.opened_at, incident.told_at)
            for incident in open_incidents(connection)
        )
    return Standing(incidents, Outbox(database).undelivered())


def title(incident: Incident) -> str:
    wrong = [member for member in incident.members.values() if not member.ended]
    if not wrong:
        return f"{plain(incident.subject)}: over, which waits to be told"
    first = wrong[0]
    if len(wrong) == 1 and not first.group:
        return f"{plain(first.name)} {first.trouble}".rstrip()
    troubles = ", ".join(f"{counted(n)} {word}" for word, n in sorted(Counter(m.trouble for m in wrong).items()))
    return f"{plain(first.group)}: {troubles}" if first.group else troubles
