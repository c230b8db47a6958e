"""Partitions ahead of time: each of the next days has one before its first row arrives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import stamina

from servicemanager.errors import DatabaseBusy, DatabaseRefused
from servicemanager.iotdb.ddl import in_the_way
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.partitions import Layout, count_in, extension, read_layout
from servicemanager.iotdb.window import Calendar

if TYPE_CHECKING:
    # It brings pyarrow, which whoever only looks at what was measured does without.
    from servicemanager.iotdb.facts import Facts

#: From so short on somebody is told.
SHORT = timedelta(days=3)
#: Inserts wait while rows move out of the last partition: so many move within a moment.
_MOVED_ROWS = 10_000
_TRIES = 3


@dataclass(frozen=True)
class Ahead:
    """How far the partitions of Facts reach, and how many rows came to lie beyond; no more than some are counted."""

    until: datetime
    rows_beyond: int


def look_ahead(database: Database, facts: Facts, layout: Layout | None = None) -> Ahead | None:
    """None where Facts is not partitioned by days of arrival."""
    layout = layout or read_layout(database)
    if layout.until is None:
        return None
    until = facts.time.to_window(layout.until, layout.until + timedelta(seconds=1)).start_at
    return Ahead(until, count_in(database, layout.partitions[-1], limit=_MOVED_ROWS + 1))


def keep_ahead(database: Database, facts: Facts, calendar: Calendar) -> tuple[int, str]:
    """Add the days that lack a partition: how many partitions there are more, and what kept us from it, if anything."""
    layout = read_layout(database)
    with database.reading() as connection:
        today = calendar.day_of(database.now(connection))
    further, ahead = extension(facts, calendar, layout, today), look_ahead(database, facts, layout)
    if further is None or ahead is None:
        return 0, ""
    if ahead.rows_beyond > _MOVED_ROWS:
        return 0, (
            "The last partition of Facts holds many rows, and inserts would wait until they have moved to their days: "
            "run servicemanager db partition --apply in a quiet hour."
        )
    try:
        for attempt in stamina.retry_context(on=DatabaseBusy, attempts=_TRIES, timeout=None, wait_max=2.0):
            with attempt, database.reading() as connection:
                connection.exec_driver_sql(f"ALTER TABLE Facts {further}")
    except DatabaseBusy:
        return 0, f"No partitions were added, because a transaction has Facts in use. {in_the_way(database)}"
    except DatabaseRefused as error:
        return 0, f"No partitions were added. {error}"
    return len(read_layout(database).partitions) - len(layout.partitions), ""
