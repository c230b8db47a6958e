"""The readings in Facts that the archive does not hold: summed up by local day, and closed days remembered.

A slice that the archive holds is left out, for its rows are counted in the rollups already. Where Facts holds
another number of rows of it, they are compared one by one, and those that the archive lacks are counted.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice

import pyarrow as pa
import stamina

from servicemanager.archive.coverage import Coverage, KeptSlice, coverage
from servicemanager.archive.proof import read_proven
from servicemanager.errors import ArchiveRefused, DatabaseBusy
from servicemanager.iotdb.moment_blocks import Block, pack
from servicemanager.iotdb.moment_columns import merged, moments_of
from servicemanager.iotdb.multiset import multiset_difference
from servicemanager.iotdb.reader import READ_SCHEMA
from servicemanager.iotdb.rollups import Remembered
from servicemanager.iotdb.window import Window
from servicemanager.statistics.judge import Freshness, decide_freshness
from servicemanager.statistics.tools import Moved, Tools


@dataclass(frozen=True)
class Found:
    """A local day as it looks now."""

    day: date
    window: Window
    rows: int
    coverage: Coverage

    @property
    def seen(self) -> Remembered:
        return Remembered(self.rows, self.coverage.digest)


def sum_up(tools: Tools) -> dict[date, str]:
    """Sum up every day that changed; returns, for each day, the digest of the journal for which that is right."""
    days = _days(tools)
    rows = tools.facts.count_each([tools.calendar.day(day) for day in days])
    known = tools.rollups.remembered()
    digests = {}
    for day, number in zip(days, rows, strict=True):
        found = _look(tools, day, number)
        if decide_freshness(day, tools.span.today, known.get(day), found.seen) is not Freshness.UNCHANGED:
            found = _sum_up_patiently(tools, found)
        digests[day] = found.coverage.digest
    if tools.span.first:
        with tools.database.transaction() as tx:
            tools.context.lease.pass_fence(tx)
            tools.rollups.forget(tx, before=tools.span.first)
    return digests


def _days(tools: Tools) -> list[date]:
    """In order: each of the span or, where that has no beginning, each that has or had rows."""
    if tools.span.first:
        return list(tools.span.days())
    until = tools.calendar.day(tools.span.today).end_at
    found = {day for day in tools.facts.days(tools.calendar, until) if day in tools.span}
    return sorted({*found, *tools.rollups.remembered(), tools.span.today})


def _look(tools: Tools, day: date, rows: int) -> Found:
    window = tools.calendar.day(day)
    with tools.database.reading() as connection:
        return Found(day, window, rows, coverage(connection, window))


def _sum_up_patiently(tools: Tools, found: Found) -> Found:
    """The day as it was when that succeeded."""
    for attempt in stamina.retry_context(on=(Moved, DatabaseBusy), attempts=8, timeout=None, wait_max=1.0):
        with attempt:
            tools.context.checkpoint()
            if attempt.num > 1:
                found = _look(tools, found.day, tools.facts.count_each([found.window])[0])
            _sum_up(tools, found)
    return found


def _sum_up(tools: Tools, found: Found) -> None:
    """Rows that arrive after they were counted make the day look changed at the next run."""
    with closing(_blocks(tools, found, merged(map(moments_of, _further(tools, found))))) as blocks:
        # The server works on the first of them for a while; the transaction begins when it is there.
        first = list(islice(blocks, 1))
        with tools.database.transaction() as tx:
            tools.context.lease.pass_fence(tx)
            tools.rollups.replace_live(tx, found.day, chain(first, blocks), found.seen)
            if coverage(tx, found.window) != found.coverage:
                raise Moved(
                    f"An export moved readings of {found.day} while they were summed up: the next run tries again."
                )
    tools.context.counts.update(days_summed_up=1)
    tools.context.progress.say("day summed up", day=str(found.day), rows=found.rows)


def _blocks(tools: Tools, found: Found, further: pa.Table) -> Generator[Block]:
    """Of the rows outside of archived slices, as the server sums them up, and of those within."""
    if not found.rows:
        return
    kept = found.coverage.slices
    with closing(tools.facts.moments(found.window, [each.window for each in kept])) as tables:
        yield from chain.from_iterable(map(pack, tables))
    yield from pack(further)


def _further(tools: Tools, found: Found) -> Iterator[pa.Table]:
    """The rows in archived slices that the archive lacks."""
    kept = found.coverage.slices
    counts = tools.facts.count_each([each.window for each in kept]) if kept else []
    differing = [each for each, rows in zip(kept, counts, strict=True) if rows != each.rows]
    return (tools.facts.within(found.window, _lacking(tools, each)) for each in differing)


def _lacking(tools: Tools, kept: KeptSlice) -> pa.Table:
    tools.context.checkpoint()
    live = tools.facts.read(kept.window).cast(READ_SCHEMA)
    new, _ = multiset_difference(live, tools.facts.within(kept.window, _archived(tools, kept)))
    return new


def _archived(tools: Tools, kept: KeptSlice) -> pa.Table:
    if tools.stores is None:
        raise ArchiveRefused(
            f"Facts and the archive hold different rows of {kept.window}, and no bucket is configured (EXPORT_BUCKET) "
            "to compare them."
        )
    objects: Sequence[pa.Table] = [
        read_proven(tools.stores, each)
        for each in tools.journal.objects(kept.archive_id)
        if each.generation in kept.generations
    ]
    return pa.concat_tables([READ_SCHEMA.empty_table(), *objects])
