"""What stands at this moment: the open incidents, and the messages that wait; for `status`, pages and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from servicemanager.alerts.outbox import Outbox, Undelivered
from servicemanager.alerts.records import IncidentRecord, fetch_open
from servicemanager.iotdb.engine import Database


@dataclass(frozen=True, slots=True)
class Standing:
    """The open incidents, oldest first; `undelivered.age` is how long the oldest message has waited."""

    incidents: tuple[IncidentRecord, ...]
    undelivered: Undelivered


def fetch_standing(database: Database) -> Standing:
    """Changes nothing; members are counted by the database."""
    with database.reading() as connection:
        found = tuple(fetch_open(connection))
    return Standing(found, Outbox(database).undelivered())
