"""The job `history`: how many devices have which status, for the webconsole's chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta

from servicemanager.iotdb.devices import head_counts
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.tables import history_status
from servicemanager.jobs.job import JobContext, JobResult


@dataclass(frozen=True)
class HistoryJob:
    """Records one head-count for each status, and deletes what is older than `kept`."""

    database: Database
    kept: timedelta
    name: str = "history"
    lease_name: str = "job:history"

    def run(self, context: JobContext) -> JobResult:
        with self.database.transaction() as tx:
            context.lease.pass_fence(tx)
            now = self.database.now(tx).replace(microsecond=0)
            counted = head_counts(tx, now)
            stored = now.astimezone(UTC).replace(tzinfo=None)
            rows = [
                {"status": status, "numberOfDevices": number, "creationDate": stored}
                for status, number in counted.items()
            ]
            tx.execute(history_status.insert(), rows)
            tx.execute(history_status.delete().where(history_status.c.creationDate < stored - self.kept))
        return JobResult(dict(counted))
