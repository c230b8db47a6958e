"""How long rows of our own tables are kept: one table of retentions; pure.

A table that is not listed is never touched. Those are: what proves an archive (sm_archive, sm_archive_object,
sm_archive_part, sm_rollup_block, sm_rollup_counted), what keeps a repeated restore from doubling readings
(sm_restore), which rows wait to be proven (sm_detached), who may work (sm_lease, sm_fence), sm_meta and sm_migration.
Of sm_rollup_remembered and of the live blocks the statistics remove the days that they do not look at any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from servicemanager.alerts.outbox import Failure
from servicemanager.iotdb.tables import incident, incident_member, job_note, job_run, outbox, silence, silence_note
from servicemanager.jobs.job import Outcome

_ALL: sa.ColumnElement[bool] = sa.true()


@dataclass(frozen=True)
class Retention:
    """Rows of `table` that may go once `aged_from` lies `kept` back; never where that is NULL."""

    table: sa.Table
    aged_from: sa.ColumnElement[object]
    kept: timedelta
    may_go: sa.ColumnElement[bool] = _ALL
    #: Columns of other tables that hold this table's `id`: their rows go in the same transaction.
    referring: tuple[sa.Column[int], ...] = ()


def _newest_of_each_job(*conditions: sa.ColumnElement[bool]) -> sa.Select[int]:
    return sa.select(sa.func.max(job_run.c.id)).where(*conditions).group_by(job_run.c.job).correlate(None)


RETENTIONS: tuple[Retention, ...] = (
    Retention(
        job_run,
        # Not from its end: a run that was killed has none.
        job_run.c.started_at,
        timedelta(days=90),
        job_run.c.id.not_in(_newest_of_each_job())
        & job_run.c.id.not_in(_newest_of_each_job(job_run.c.outcome == Outcome.DONE.value)),
        referring=(job_note.c.run_id,),
    ),
    Retention(
        outbox,
        sa.func.coalesce(outbox.c.delivered_at, outbox.c.created_at),
        timedelta(days=30),
        outbox.c.delivered_at.is_not(None) | (outbox.c.failure == Failure.PERMANENT.value),
    ),
    Retention(incident, incident.c.closed_at, timedelta(days=365), referring=(incident_member.c.incident_id,)),
    Retention(silence, silence.c.ends_at, timedelta(days=30), referring=(silence_note.c.silence_id,)),
)
