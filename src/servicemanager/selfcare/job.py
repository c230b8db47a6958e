"""The job `selfcare`: measures, judges, and lets the alerts engine tell what is new."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from servicemanager.alerts.outbox import Outbox
from servicemanager.alerts.trouble import Troubles
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.partition_ahead import Ahead
from servicemanager.iotdb.tables import archive_object
from servicemanager.jobs.job import JobContext, JobResult
from servicemanager.selfcare.figures import Figures, load, save
from servicemanager.selfcare.judge import SCOPE, LateJob, Limits, judge


@dataclass(frozen=True)
class Due:
    """Readings that should have left the database."""

    cutoff: datetime
    rows: int | None
    oldest_at: datetime | None


@dataclass(frozen=True)
class SelfcareJob:
    """`due` asks Facts, where an index makes that cheap; `late` computes which jobs are overdue."""

    database: Database
    troubles: Troubles
    limits: Limits
    staging: Path
    due: Callable[[datetime], Due | None]
    late: Callable[[sa.Connection, datetime], Sequence[LateJob]]
    ahead: Callable[[], Ahead | None] = lambda: None
    name: str = "selfcare"
    lease_name: str = "job:selfcare"

    def run(self, context: JobContext) -> JobResult:
        with self.database.reading() as connection:
            now = self.database.now(connection)
            before = load(connection)
            late = self.late(connection, now)
        figures = self._measure(now).after(before)
        context.checkpoint()
        with self.database.transaction() as tx:
            context.lease.pass_fence(tx)
            save(tx, figures)
        findings = list(judge(figures, late, self.limits))
        self.troubles.settle(findings, SCOPE)
        return JobResult({"troubles": len(findings)}, notices=tuple(finding.sentences for finding in findings))

    def _measure(self, now: datetime) -> Figures:
        due = self.due(now)
        ahead = self.ahead()
        waiting = Outbox(self.database).undelivered()
        with self.database.reading() as connection:
            newest = sa.select(sa.func.max(archive_object.c.sealed_at), sa.func.max(archive_object.c.verified_at))
            archived_at, verified_at = connection.execute(newest).one()
        return Figures(
            measured_at=now,
            cutoff=due.cutoff if due else None,
            rows_due=due.rows if due else None,
            oldest_at=due.oldest_at if due else None,
            archived_at=archived_at,
            verified_at=verified_at,
            undelivered=waiting.count,
            undelivered_at=waiting.oldest_at,
            host=socket.gethostname(),
            staging_free=_free(self.staging),
            partitions_until=ahead.until if ahead else None,
            rows_beyond=ahead.rows_beyond if ahead else 0,
        )


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # it is made when something is staged
        return None
