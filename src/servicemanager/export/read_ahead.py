"""The rows of windows and what the database counts for them: read while earlier windows are sealed and put.

Reading and counting are two queries at a time, each in a thread of its own, because the server answers each
of them on one core only. Memory holds the window that is being worked on, the next one, and what comes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial

import pyarrow as pa

from servicemanager.archive.ahead import ahead
from servicemanager.export.gather import Expected, gather
from servicemanager.export.pace import Work, pieces
from servicemanager.export.plan import PlannedWindow
from servicemanager.export.tools import Tools
from servicemanager.iotdb.estimate import scanned_rows
from servicemanager.iotdb.fingerprint import EMPTY, Count
from servicemanager.iotdb.stored import snap
from servicemanager.iotdb.window import Window

#: Rows of adjacent windows that one query reads while nothing is deleted. Most of a table is read faster in its own
#: order than by index. More would keep the server from clearing away old versions of rows for too long.
STREAM_ROWS = 5_000_000
#: The same where the rows are deleted soon after.
BATCH_ROWS = 250_000
#: The same where besides each query scans the table.
SCAN_ROWS = 350_000
#: A row that is found by index costs the server as much as so many that it scans: 6 million rows, more than fit into
#: its memory, took 14.4 and 9.3 seconds. It thinks worse of its index, and would scan the table for a seventh of it.
_SCANNED_FOR_ONE = 1.5
#: Rows that may wait for earlier ones, where a table does not keep them in the order of their arrival.
_WAITING_ROWS = 500_000


@dataclass(frozen=True)
class Reading:
    """One window as it was read, and, on request, as the database counts it: rows may have arrived in between."""

    rows: pa.Table
    counted: Callable[[], Count]


def read_window(tools: Tools, window: Window) -> Reading:
    return Reading(tools.facts.read(window), lambda: _count(tools, [window])[0])


def read_ahead(tools: Tools, planned: Sequence[PlannedWindow], *, purge: bool) -> Generator[Reading]:
    """A reading of each of the windows, in their order. To be closed where it is not used up."""
    threads = 1 if tools.ahead else 0
    scanned = scanned_rows(tools.database, tools.facts.shape.table) if planned and tools.facts.shape.indexed else 0
    with (
        closing(_tables(tools, planned, scanned, purge=purge)) as tables,
        closing(ahead(lambda _: next(tables), planned, threads)) as read,
        closing(_counts(tools, planned, scanned, threads)) as counts,
    ):
        for (_, rows), counted in zip(read, counts, strict=True):
            yield Reading(rows(), counted)


def _by_index(windows: Sequence[PlannedWindow], scanned: int) -> bool:
    return sum(each.rows for each in windows) * _SCANNED_FOR_ONE < scanned


def _tables(tools: Tools, planned: Sequence[PlannedWindow], scanned: int, *, purge: bool) -> Generator[pa.Table]:
    few = BATCH_ROWS if tools.facts.shape.indexed else SCAN_ROWS
    most = tools.throttle.piece_rows
    if most and tools.facts.shape.indexed:
        yield from (_read_slowly(tools, each, most) for each in planned)
        return
    for batch in batches_of(planned, few if purge or most else STREAM_ROWS):
        tools.throttle.before(Work.READ, sum(each.rows for each in batch))
        done = 0
        for rows in _read(tools, batch, scanned, _WAITING_ROWS):
            done += 1
            yield rows
        for smaller in batches_of(batch[done:], few):
            yield from _read(tools, smaller, scanned)


def _read(tools: Tools, batch: Sequence[PlannedWindow], scanned: int, limit: int | None = None) -> Iterator[pa.Table]:
    facts, span = tools.facts, Window(batch[0].window.start_at, batch[-1].window.end_at)
    windows = [Expected(facts.micros(p.window.start_at), facts.micros(p.window.end_at), p.rows) for p in batch]
    with closing(facts.iter_rows(span, by_index=_by_index(batch, scanned))) as tables:
        yield from gather(tables, windows, facts.no_rows, limit)


def _read_slowly(tools: Tools, planned: PlannedWindow, most: int) -> pa.Table:
    read = [tools.facts.no_rows]
    for piece in _pieces(tools, planned, most, Work.READ):
        read += tools.facts.iter_rows(piece)
    return pa.concat_tables(read).unify_dictionaries().combine_chunks()


def _count_slowly(tools: Tools, planned: PlannedWindow, most: int) -> Count:
    found = EMPTY.count
    for piece in _pieces(tools, planned, most, Work.COUNT):
        found += _count(tools, [piece])[0]
    return found


def _pieces(tools: Tools, planned: PlannedWindow, most: int, work: Work) -> Iterator[Window]:
    """Each when its turn has come."""
    for piece, rows in pieces(planned.window, planned.rows, most, partial(snap, tools.facts.time)):
        tools.throttle.before(work, rows)
        tools.context.checkpoint()
        yield piece


def _counts(
    tools: Tools, planned: Sequence[PlannedWindow], scanned: int, threads: int
) -> Generator[Callable[[], Count]]:
    """Window by window; where each query scans the table, of many at once."""
    most = tools.throttle.piece_rows
    if most and tools.facts.shape.indexed:
        with closing(ahead(lambda each: _count_slowly(tools, each, most), planned, threads)) as slowly:
            yield from (wait for _, wait in slowly)
        return
    batches = [[each] for each in planned] if tools.facts.shape.indexed else batches_of(planned, STREAM_ROWS)
    asked = (([each.window for each in batch], _by_index(batch, scanned)) for batch in batches)
    with closing(ahead(lambda each: _count(tools, *each), asked, threads)) as counted:
        for (batch, _), wait in counted:
            found = cache(wait)
            yield from (partial(_one_of, found, number) for number in range(len(batch)))


def _count(tools: Tools, windows: Sequence[Window], by_index: bool = False) -> list[Count]:
    with tools.database.reading() as connection:
        return tools.facts.count_bound(connection, windows, by_index=by_index)


def _one_of(found: Callable[[], list[Count]], number: int) -> Count:
    return found()[number]


def batches_of(planned: Sequence[PlannedWindow], limit: int) -> Iterator[list[PlannedWindow]]:
    """Windows that follow on one another without a gap, up to `limit` rows together, or one that holds more."""
    batch: list[PlannedWindow] = []
    rows = 0
    for each in planned:
        if batch and (batch[-1].window.end_at != each.window.start_at or rows + each.rows > limit):
            yield batch
            batch, rows = [], 0
        batch.append(each)
        rows += each.rows
    if batch:
        yield batch
