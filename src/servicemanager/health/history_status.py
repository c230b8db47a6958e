"""The job `history`: how many devices have which status, for the webconsole's chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from servicemanager.iotdb.devices import Devices
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.platform_tables import history_status
from servicemanager.iotdb.stored import StoredTime, stored_times
from servicemanager.jobs.job import JobContext, JobResult


@dataclass(frozen=True)
class HistoryJob:
    """Records one head-count for each status, and deletes what is older than `kept`."""

    database: Database
    devices: Devices
    #: How the column creationDate of the chart's table holds an instant.
    time: StoredTime
    kept: timedelta
    name: str = "history"
    lease_name: str = "job:history"

    @classmethod
    def open(cls, database: Database, datetime_zone: str, kept: timedelta) -> HistoryJob:
        """Look at the tables first. Raises DatabaseRefused where one is missing."""
        (time,) = stored_times(database, [history_status.c.creationDate], datetime_zone)
        return cls(database, Devices.open(database, datetime_zone), time, kept)

    def run(self, context: JobContext) -> JobResult:
        with self.database.transaction() as tx:
            context.lease.pass_fence(tx)
            now = self.database.now(tx).replace(microsecond=0)
            counted = self.devices.head_counts(tx, now)
            stored, oldest = self.time.to_stored(now), self.time.to_stored(now - self.kept)
            rows = [
                {"status": status, "numberOfDevices": number, "creationDate": stored}
                for status, number in counted.items()
            ]
            tx.execute(history_status.insert(), rows)
            tx.execute(history_status.delete().where(history_status.c.creationDate < oldest))
        return JobResult(dict(counted))


@dataclass(frozen=True, slots=True)
class Counted:
    """How many devices had each status at one instant, by the platform's names."""

    at: datetime
    by_status: Mapping[str, int]


def fetch_counts(connection: sa.Connection, time: StoredTime, since: datetime, now: datetime) -> list[Counted]:
    """Every head-count after `since`, the oldest first."""
    table = history_status.c
    query = sa.select(table.creationDate, table.status, table.numberOfDevices)
    found: dict[datetime, dict[str, int]] = {}
    for stored, status, number in connection.execute(query.where(table.creationDate > time.to_stored(since))):
        if isinstance(stored, datetime):
            found.setdefault(stored, {})[status] = number
    return sorted((Counted(time.to_instant(at, now), its) for at, its in found.items()), key=lambda each: each.at)
