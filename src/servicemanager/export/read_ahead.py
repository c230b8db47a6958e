"""The rows of windows and what the database counts for them: read while earlier windows are sealed and put.

Reading and counting are two queries at a time, each in a thread of its own, because the server answers each
of them on one core only. Memory holds the batch that is being worked on and the next one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from servicemanager.export.plan import PlannedWindow
from servicemanager.export.tools import Tools
from servicemanager.iotdb.fingerprint import Fingerprint
from servicemanager.iotdb.window import Window

#: Rows of adjacent windows that are read by one query.
BATCH_ROWS = 250_000
#: The same where each query scans the whole table.
SCAN_ROWS = 350_000


@dataclass(frozen=True)
class Reading:
    """One window as it was read, and as the database counts it: they differ where rows arrived in between."""

    rows: pa.Table
    counted: Fingerprint


def read_window(tools: Tools, window: Window) -> Reading:
    return _readings(tools, [window], _read(tools, [window]), _count(tools, [window]))[0]


def read_ahead(tools: Tools, planned: Sequence[PlannedWindow]) -> Generator[Reading]:
    """A reading of each of the windows, in their order. To be closed where it is not used up."""
    batches = batches_of(planned, BATCH_ROWS if tools.facts.shape.indexed else SCAN_ROWS)
    if not tools.ahead:
        for batch in batches:
            yield from _readings(tools, batch, _read(tools, batch), _count(tools, batch))
        return
    with ThreadPoolExecutor(2, "read ahead") as pool:
        begun = _begin(pool, tools, next(batches, None))
        while begun:
            batch, rows, counted = begun
            readings = _readings(tools, batch, rows.result(), counted.result())
            del rows
            begun = _begin(pool, tools, next(batches, None))
            yield from readings


_Begun = tuple[list[Window], Future[pa.Table], Future[list[Fingerprint]]]


def _begin(pool: ThreadPoolExecutor, tools: Tools, batch: list[Window] | None) -> _Begun | None:
    return (batch, pool.submit(_read, tools, batch), pool.submit(_count, tools, batch)) if batch else None


def batches_of(planned: Sequence[PlannedWindow], limit: int) -> Iterator[list[Window]]:
    """Windows that follow on one another without a gap, up to `limit` rows together, or one that holds more."""
    batch: list[Window] = []
    rows = 0
    for each in planned:
        if batch and (batch[-1].end_at != each.window.start_at or rows + each.rows > limit):
            yield batch
            batch, rows = [], 0
        batch.append(each.window)
        rows += each.rows
    if batch:
        yield batch


def _read(tools: Tools, batch: Sequence[Window]) -> pa.Table:
    return tools.facts.read(Window(batch[0].start_at, batch[-1].end_at))


def _count(tools: Tools, batch: Sequence[Window]) -> list[Fingerprint]:
    with tools.database.reading() as connection:
        return tools.facts.fingerprints(connection, batch)


def _readings(tools: Tools, batch: Sequence[Window], rows: pa.Table, counted: Sequence[Fingerprint]) -> list[Reading]:
    if len(batch) == 1:
        return [Reading(rows, counted[0])]
    parted = [tools.facts.within(window, rows) for window in batch]
    return [Reading(mine, theirs) for mine, theirs in zip(parted, counted, strict=True)]
