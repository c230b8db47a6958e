"""Objects that the rollups do not count: those of an earlier version, or all of them at a rebuild.

A day's objects are counted together, in one transaction that replaces what was counted before: where one of them
can't be read the day stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date

import pyarrow as pa
import sqlalchemy as sa
import stamina

from servicemanager.archive.proof import read_proven
from servicemanager.errors import ArchiveDamaged, ArchiveRefused, DatabaseBusy, ObjectCold
from servicemanager.iotdb.moment_blocks import gather
from servicemanager.iotdb.moment_columns import moments_of
from servicemanager.iotdb.rollups import Counted
from servicemanager.iotdb.tables import archive, archive_object
from servicemanager.statistics.tools import Moved, Tools


def count_archived(tools: Tools) -> list[str]:
    """Count what is not counted yet, or everything; returns a sentence for each day that could not be."""
    days = {day for day in tools.rollups.miscounted() if day in tools.span}
    if tools.wishes.rebuild:
        days |= {entry.creation_date for entry in tools.journal.windows() if entry.generations}
    problems = []
    for day in sorted(days):
        tools.context.checkpoint()
        try:
            _count_day(tools, day)
        except (ArchiveDamaged, ArchiveRefused, ObjectCold) as error:
            problems.append(f"The archived readings of {day} could not be counted. {error}")
    return problems


def put_together(tools: Tools) -> None:
    """Merge the blocks of closed days that are of many sources; one that somebody is at waits for the next run."""
    for day in tools.rollups.scattered(tools.span.today):
        tools.context.checkpoint()
        with suppress(Moved, DatabaseBusy), tools.database.transaction() as tx:
            tools.context.lease.pass_fence(tx)
            if not tools.rollups.put_together(tx, day):
                raise Moved(f"Blocks of {day} were cleared while they were put together.")


def is_miscounted(tools: Tools) -> bool:
    """Whether the archive holds readings of the span that the rollups lack."""
    return any(day in tools.span for day in tools.rollups.miscounted())


def _count_day(tools: Tools, day: date) -> None:
    for attempt in stamina.retry_context(on=(Moved, DatabaseBusy), attempts=5, timeout=None, wait_max=1.0):
        with attempt:
            tools.context.checkpoint()
            _replace_day(tools, day)


def _replace_day(tools: Tools, day: date) -> None:
    with tools.database.reading() as connection:
        objects = _objects(connection, day)
    blocks = gather(map(moments_of, _rows(tools, objects)))
    with tools.database.transaction() as tx:
        tools.context.lease.pass_fence(tx)
        tools.rollups.clear_archived(tx, day)
        # What an export journaled until here is in this list; what it journals later waits for us, and adds its own.
        if _objects(tx, day) != objects:
            raise Moved(f"An export archived readings of {day} while they were counted: the next run tries again.")
        tools.rollups.count_objects(tx, day, objects, blocks)
    tools.context.counts.update(objects_counted=len(objects))
    tools.context.progress.say("archived day counted", day=str(day), objects=len(objects))


def _objects(connection: sa.Connection, day: date) -> list[Counted]:
    query = (
        sa.select(archive_object.c.archive_id, archive_object.c.generation)
        .join(archive, archive.c.id == archive_object.c.archive_id)
        .where(archive.c.creation_date == day)
        .order_by(archive_object.c.archive_id, archive_object.c.generation)
    )
    return [Counted(*row) for row in connection.execute(query)]


def _rows(tools: Tools, objects: list[Counted]) -> Iterator[pa.Table]:
    if tools.stores is None:
        raise ArchiveRefused("No bucket is configured (EXPORT_BUCKET), so the objects can't be read.")
    for archive_id in dict.fromkeys(each.archive_id for each in objects):
        wanted = {each.generation for each in objects if each.archive_id == archive_id}
        for found in tools.journal.objects(archive_id):
            if found.generation in wanted:
                tools.context.checkpoint()
                yield read_proven(tools.stores, found)
