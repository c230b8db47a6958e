"""Rows that Facts holds and the archive does not, copied out of one moment of the database.

A slice that the archive holds and that is not purged is served by the archive. Where the server counts other rows of
it than the archive holds, both are compared one by one, and those that the archive lacks are live. So every row is
served once, whatever an export or a purge does meanwhile: the journal and Facts are read in one snapshot. Rows that
left Facts with their partition, and are not proven yet, count as those of Facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from servicemanager.archive.coverage import KeptSlice, coverage
from servicemanager.archive.journal import Journal
from servicemanager.archive.proof import Stores, read_proven
from servicemanager.iotdb.columns import COLUMNS, STORED, STRINGS
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.fingerprint import Count
from servicemanager.iotdb.multiset import multiset_difference
from servicemanager.iotdb.reader import READ_SCHEMA
from servicemanager.iotdb.stored import WallTime
from servicemanager.iotdb.twins import unproven
from servicemanager.iotdb.window import Calendar, Window, from_epoch

#: Windows of one statement.
_WINDOWS = 1_000
_MICROS = 1_000_000
_TEXT = pa.dictionary(pa.int32(), pa.string())


def schema_of(facts: Facts) -> pa.Schema:
    """The columns of the archive, and the day; strings as in dictionaries, which takes half of the time."""
    fields = [(name, _TEXT if name in STRINGS else pa.int64()) for name in COLUMNS]
    fields.append(("creationDate", pa.timestamp("us", tz="UTC")))
    if isinstance(facts.time, WallTime):
        fields.append(("creationDate_local", pa.timestamp("us")))
    return pa.schema([*fields, ("creation_date", pa.date32())])


class LiveRows:
    """Copies the rows of a span of time into a file. `pinned` shows the database of one moment."""

    def __init__(
        self, pinned: Database, facts: Facts, calendar: Calendar, stores: Stores, checkpoint: Callable[[], None]
    ) -> None:
        self._pinned = pinned
        self._facts = Facts(pinned, facts.shape)
        self._tables = [self._facts]
        self._calendar = calendar
        self.stores = stores
        self.checkpoint = checkpoint
        self.schema = schema_of(facts)

    def copy(self, span: Window, path: Path) -> int:
        """Write the live rows of `span` as Parquet to `path`, if there are any; return how many."""
        rows = 0
        with pq.ParquetWriter(path, self.schema, compression="zstd", compression_level=1) as writer:
            for found in self._rows(span):
                self.checkpoint()
                if found.num_rows:
                    writer.write_table(self._with_day(found))
                rows += found.num_rows
        if not rows:
            path.unlink()
        return rows

    def _rows(self, span: Window) -> Iterator[pa.Table]:
        with self._pinned.reading() as connection:
            kept = coverage(connection, span).slices
            shape, twins = self._facts.shape, unproven(connection)
        self._tables = [self._facts, *(Facts(self._pinned, replace(shape, table=name)) for name in twins)]
        holes = merged(each.window for each in kept)
        # Without an index each window would be a scan of the table.
        windows = gaps(span, holes) if shape.indexed else [span]
        for table, window in product(self._tables, windows):
            with closing(table.iter_rows(window)) as found:
                for rows in found:
                    yield self._outside(rows, holes)
        for each in self._differing(kept):
            yield self._facts.within(span, self._lacking(each))

    def _outside(self, rows: pa.Table, holes: Sequence[Window]) -> pa.Table:
        if not holes:
            return rows
        edges = [self._facts.micros(edge) for hole in holes for edge in (hole.start_at, hole.end_at)]
        passed = np.searchsorted(np.array(edges, np.int64), rows.column(STORED).to_numpy(), side="right")
        return rows.filter(pa.array(passed % 2 == 0))

    def _differing(self, kept: Sequence[KeptSlice]) -> Iterator[KeptSlice]:
        for start in range(0, len(kept), _WINDOWS):
            self.checkpoint()
            some = kept[start : start + _WINDOWS]
            yield from [each for each, found in zip(some, self._counts(some), strict=True) if found != each.count]

    def _counts(self, kept: Sequence[KeptSlice]) -> list[Count]:
        windows = [each.window for each in kept]
        with self._pinned.reading() as connection:
            counts = [table.count_bound(connection, windows) for table in self._tables]
        return [Count(sum(c.rows for c in each), sum(c.bound for c in each)) for each in zip(*counts, strict=True)]

    def _lacking(self, kept: KeptSlice) -> pa.Table:
        live = pa.concat_tables([table.read(kept.window).cast(READ_SCHEMA) for table in self._tables])
        objects = [
            read_proven(self.stores, each)
            for each in Journal(self._pinned).objects(kept.archive_id)
            if each.generation in kept.generations
        ]
        archived = self._facts.within(kept.window, pa.concat_tables(objects))
        return multiset_difference(live, archived)[0]

    def _with_day(self, rows: pa.Table) -> pa.Table:
        stored = rows.column(STORED)
        utc = self._facts.time.to_utc(stored.to_numpy())
        columns: list[Any] = [rows.column(name).cast(self.schema.field(name).type) for name in COLUMNS]
        columns.append(pa.array(utc).cast(pa.timestamp("us", tz="UTC")))
        if "creationDate_local" in self.schema.names:
            columns.append(stored.cast(pa.timestamp("us")))
        columns.append(self._days(utc))
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _days(self, utc: np.ndarray) -> pa.Array:
        """The local day of each arrival, in microseconds since 1970."""
        first, last = (from_epoch(int(micros) // _MICROS) for micros in (utc.min(), utc.max()))
        days, starts = list[date](), list[int]()
        day = self._calendar.day_of(first)
        while not days or self._calendar.start_of(day) <= last:
            days.append(day)
            starts.append(_micros(self._calendar, day))
            day = self._calendar.day_of(self._calendar.day(day).end_at)
        number = np.searchsorted(np.array(starts, np.int64), utc, side="right") - 1
        return pa.array(days, pa.date32()).take(pa.array(np.maximum(number, 0)))


def _micros(calendar: Calendar, day: date) -> int:
    return int(calendar.start_of(day).timestamp()) * _MICROS


def merged(windows: Iterable[Window]) -> list[Window]:
    """The same stretches of time, in order, each as long as it goes on without a gap."""
    found: list[Window] = []
    for window in sorted(windows):
        if found and window.start_at <= found[-1].end_at:
            found[-1] = Window(found[-1].start_at, max(found[-1].end_at, window.end_at))
        else:
            found.append(window)
    return found


def gaps(span: Window, holes: Sequence[Window]) -> list[Window]:
    """What is left of `span` without `holes`, which are in order and disjoint."""
    edges = [span.start_at, *(edge for hole in holes for edge in (hole.start_at, hole.end_at)), span.end_at]
    left = [Window(max(start, span.start_at), min(end, span.end_at)) for start, end in list(pairwise(edges))[::2]]
    return [window for window in left if window.start_at < window.end_at]
