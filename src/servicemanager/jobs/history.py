"""The record of every run, in sm_job_run."""

from __future__ import annotations

import json
from collections.abc import Mapping

from servicemanager.cluster.lease import Lease
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.tables import job_run
from servicemanager.jobs.job import Outcome


class History:
    """Written at the start and at the end of a run: a killed run stays on record as running under an old term."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, job: str, lease: Lease) -> int:
        with self._database.transaction() as tx:
            now = self._database.now(tx)
            values = {"job": job, "started_at": now, "outcome": Outcome.RUNNING, "counts": "{}"}
            result = tx.execute(job_run.insert().values(**values, instance=lease.holder, term=lease.term))
            assert result.inserted_primary_key is not None  # noqa: S101 -- the table numbers its rows
            return int(result.inserted_primary_key[0])

    def end(self, run_id: int, outcome: Outcome, counts: Mapping[str, int], error: str | None) -> None:
        with self._database.transaction() as tx:
            values = {"outcome": outcome, "ended_at": self._database.now(tx), "error": error}
            statement = job_run.update().where(job_run.c.id == run_id)
            tx.execute(statement.values(**values, counts=json.dumps(dict(counts))))
