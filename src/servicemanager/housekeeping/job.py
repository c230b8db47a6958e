"""The job `housekeeping`: deletes what the table of retentions lets go, a small chunk by primary key at a time.

It also sees to the partitions of the days to come, where Facts has such.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import stamina

from servicemanager.errors import DatabaseBusy
from servicemanager.housekeeping.retention import RETENTIONS, Retention
from servicemanager.iotdb.engine import Database
from servicemanager.jobs.job import JobContext, JobResult

#: Rows of one transaction.
CHUNK = 1_000


@dataclass(frozen=True)
class HousekeepingJob:
    """One pass over all retentions; what it deleted is counted by table."""

    database: Database
    retentions: Sequence[Retention] = RETENTIONS
    chunk: int = CHUNK
    #: Adds partitions: how many, and what kept it from that.
    keep_ahead: Callable[[], tuple[int, str]] = lambda: (0, "")
    name: str = "housekeeping"
    lease_name: str = "job:housekeeping"

    def run(self, context: JobContext) -> JobResult:
        with self.database.reading() as connection:
            now = self.database.now(connection)
        for each in self.retentions:
            self._clear(context, each, now)
        context.checkpoint()
        added, hindered = self.keep_ahead()
        context.counts.update({"partitions_added": added} if added else {})
        return JobResult(dict(context.counts), notices=(hindered,) if hindered else ())

    def _clear(self, context: JobContext, each: Retention, now: datetime) -> None:
        last = -1
        while keys := self._due(each, now, last):
            deleted = self._delete(context, each, now, keys)
            context.counts.update({each.table.name: deleted})
            context.progress.advance("deleted", deleted)
            last = keys[-1]

    def _due(self, each: Retention, now: datetime, last: int) -> list[int]:
        key = each.table.c.id
        with self.database.reading() as connection:
            query = _keys(each, now).where(key > last).order_by(key).limit(self.chunk)
            return list(connection.execute(query).scalars())

    def _delete(self, context: JobContext, each: Retention, now: datetime, keys: list[int]) -> int:
        """Those of `keys` that still may go, together with what refers to them."""
        for attempt in stamina.retry_context(on=DatabaseBusy, attempts=8, timeout=None, wait_max=2.0):
            with attempt:
                context.checkpoint()
                with self.database.transaction() as tx:
                    context.lease.pass_fence(tx)
                    going = _keys(each, now).where(each.table.c.id.in_(keys)).with_for_update()
                    locked = list(tx.execute(going).scalars())
                    for column in (*each.referring, each.table.c.id):
                        tx.execute(sa.delete(column.table).where(column.in_(locked)))
                return len(locked)
        raise AssertionError  # the last attempt raises


def _keys(each: Retention, now: datetime) -> sa.Select[int]:
    return sa.select(each.table.c.id).where(each.aged_from < now - each.kept, each.may_go)
