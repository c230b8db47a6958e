"""What stands at this moment: the open incidents, and the messages that wait; for `status`, pages and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from servicemanager.alerts.outbox import Outbox, Undelivered
from servicemanager.alerts.records import IncidentRecord, fetch_open
from servicemanager.iotdb.engine import Database

#: Of groups' incidents, and of others.
LISTED = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """Open incidents, oldest first, at most some hundreds; `undelivered.age` is how long the oldest message waits."""

    incidents: tuple[IncidentRecord, ...]
    undelivered: Undelivered
    #: Open incidents that are not listed.
    more: int = 0


def fetch_standing(database: Database) -> Standing:
    """Changes nothing; members are counted by the database."""
    with database.reading() as connection:
        found, more = fetch_open(connection, LISTED)
    return Standing(tuple(found), Outbox(database).undelivered(), more)
