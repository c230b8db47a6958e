"""The first page as a document: how the service is, and what needs attention."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from servicemanager.alerts.silence import Silenced
from servicemanager.alerts.silences import load_silences
from servicemanager.archive.calendar import total
from servicemanager.config import Settings
from servicemanager.health.history_status import Counted, fetch_counts
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.estimate import estimated_rows
from servicemanager.iotdb.platform_tables import facts
from servicemanager.iotdb.stored import StoredTime
from servicemanager.service.desk.attention import attention, summary
from servicemanager.service.desk.status import status_values
from servicemanager.service.status import Instances, look
from servicemanager.web.documents.overview import HeadCount, Overview, Readings

#: Points of the chart of the fleet, whatever is kept.
_POINTS = 300
#: The chart of a fleet whose head-counts are kept for long shows no more than this.
_LONGEST = timedelta(days=7)
#: A head-count that is older says nothing about the fleet.
_LAST_COUNT = timedelta(days=1)


def fetch_overview(
    settings: Settings, database: Database, instances: Instances, history: StoredTime | None
) -> Overview:
    """`history` is how the platform's table of head-counts holds times; None where there is no such table."""
    status = look(settings, database, instances)
    with database.reading() as connection:
        silenced = Silenced.at(load_silences(connection), status.now, settings.zone)
        since = status.now - min(_LONGEST, settings.health.history_kept)
        counts = fetch_counts(connection, history, since, status.now) if history else []
        readings = _readings(database, connection)
    fleet, found = head_counts(counts), attention(status, silenced.names)
    return Overview.model_validate(
        {
            **status_values(status),
            "summary": summary(found, fleet),
            "attention": found,
            "fleet": fleet,
            "readings": readings,
        }
    )


def last_counted(database: Database, history: StoredTime | None) -> int | None:
    """How many devices were registered when the job `history` last counted them."""
    if history is None:
        return None
    with database.reading() as connection:
        now = database.now(connection)
        counts = fetch_counts(connection, history, now - _LAST_COUNT, now)
    return sum(counts[-1].by_status.values()) if counts else None


def head_counts(counts: Sequence[Counted]) -> tuple[HeadCount, ...]:
    """At most so many points, the last one among them."""
    step = max(1, -(-len(counts) // _POINTS))
    chosen = counts[::-1][::step][::-1]
    return tuple(HeadCount.model_validate({"at": each.at, **_by_field(each)}) for each in chosen)


def _by_field(counted: Counted) -> dict[str, int]:
    return {
        name: counted.by_status.get(name.upper(), 0)
        for name in ("normal", "warning", "fail", "unknown", "waiting_approve")
    }


def _readings(database: Database, connection: sa.Connection) -> Readings:
    rows, size = total(connection)
    return Readings(in_database=estimated_rows(database, connection, facts), archived=rows, archived_bytes=size)
