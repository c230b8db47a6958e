"""The view `facts`: the archive's objects and the live rows as one dataset, of which only what is asked for is read.

DuckDB tells an Arrow dataset which columns and which rows it wants. Each object promises its day and its window, so
those of other days are never opened; live rows are copied when the first query asks for their days.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import fs

from servicemanager.archive.ahead import ahead
from servicemanager.archive.journal import ArchivedObject, JournaledWindow
from servicemanager.archive.parquet import THREADS
from servicemanager.errors import ArchiveDamaged, ServiceManagerError
from servicemanager.iotdb.columns import STRINGS
from servicemanager.iotdb.window import Calendar, Window
from servicemanager.lake.live import LiveRows

#: Local days before today that are copied one by one where a query asks for some of them only.
_DAYS = 400
_BEGINNING = datetime(1000, 1, 2, tzinfo=UTC)
_END = datetime(9999, 12, 30, tzinfo=UTC)
#: Objects that are read and decoded ahead.
_THREADS = 3
_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Piece:
    """A stretch of arrivals whose live rows are copied together, and the local days in it; None is open."""

    window: Window
    first: date | None
    last: date | None

    @property
    def promise(self) -> Any:
        """What is true of every row in it."""
        held = _within(self.window)
        if self.first is not None:
            held &= pc.field("creation_date") >= self.first
        return held if self.last is None else held & (pc.field("creation_date") <= self.last)


def pieces(calendar: Calendar, today: date) -> list[Piece]:
    """All of time, in order: what is long past, single days, and what a wrong clock may have dated after today."""
    first = today - timedelta(days=_DAYS)
    days = [first + timedelta(days=number) for number in range(_DAYS + 1)]
    start, end = calendar.start_of(first), calendar.day(today).end_at
    past = Piece(Window(_BEGINNING, start), None, first - timedelta(days=1))
    future = Piece(Window(end, _END), today + timedelta(days=1), None)
    return [past, *(Piece(calendar.day(day), day, day) for day in days), future]


class FactsView(ds.Dataset):  # type: ignore[misc]  # pyarrow has no types
    """What DuckDB scans. Safe to scan from several threads.

    Arrow's own threads never call Python here: where DuckDB lets go of a scan that is not at its end, it waits for
    them, and may hold what Python needs to run.
    """

    def __init__(
        self,
        objects: Sequence[tuple[JournaledWindow, ArchivedObject]],
        live: LiveRows,
        cut: Sequence[Piece],
        folder: Path,
        *,
        archived: bool,
    ) -> None:
        self.objects = [each.url for _, each in objects]
        self._live = live
        self._pieces = cut
        self._folder = folder
        texts = ds.ParquetReadOptions(dictionary_columns=list(STRINGS))
        checked = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        self._format = ds.ParquetFileFormat(read_options=texts, default_fragment_scan_options=checked)
        self._archived = self._dataset((each.url, _promise(entry)) for entry, each in objects if archived)
        self._wanted = self._dataset((str(n), each.promise) for n, each in enumerate(cut))
        self._copied: dict[int, Path | None] = {}
        self._copying = threading.Lock()
        #: The first error of ours: on its way through DuckDB it becomes a text.
        self.failure: ServiceManagerError | None = None

    @property
    def schema(self) -> pa.Schema:
        return self._live.schema

    def scanner(self, **options: Any) -> _Scan:
        """Called by DuckDB, with the columns and the filter that it wants."""
        asked = _Asked(options.get("columns") or self.schema.names, options.get("filter"))
        layout = pa.schema([self.schema.field(name) for name in asked.columns])
        return _Scan(pa.RecordBatchReader.from_batches(layout, self._kept_failure(self._batches(asked))))

    def _batches(self, asked: _Asked) -> Iterator[pa.RecordBatch]:
        """One object first, since a LIMIT may be content with it; then live rows, before their moment is long past."""
        fragments = list(self._archived.get_fragments(asked.rows))
        with closing(ahead(lambda fragment: self._read(fragment, asked), fragments, _THREADS)) as tables:
            for _, wait in islice(tables, 1):
                yield from wait().to_batches(max_chunksize=_BATCH_ROWS)
            for path in self._live_files(asked):
                fragment = self._format.make_fragment(str(path), filesystem=fs.LocalFileSystem())
                yield from fragment.scanner(**self._options(asked), batch_readahead=2).to_batches()
            for _, wait in tables:
                yield from wait().to_batches(max_chunksize=_BATCH_ROWS)

    def _read(self, fragment: ds.Fragment, asked: _Asked) -> pa.Table:
        """What is asked for of an object, which is so small that it is read whole."""
        self._live.checkpoint()
        store, key = self._live.stores.locate(fragment.path)
        file = pa.BufferReader(store.read(key))
        found = self._format.make_fragment(file, partition_expression=fragment.partition_expression)
        try:
            return found.to_table(**self._options(asked))
        except (pa.ArrowException, OSError) as error:
            raise ArchiveDamaged(
                f"{fragment.path} can't be read ({error}): servicemanager verify tells what else is damaged."
            ) from error

    def _options(self, asked: _Asked) -> dict[str, Any]:
        return {"schema": self.schema, "columns": asked.columns, "filter": asked.rows, "use_threads": THREADS}

    def _live_files(self, asked: _Asked) -> list[Path]:
        numbers = [int(fragment.path) for fragment in self._wanted.get_fragments(asked.rows)]
        with self._copying:
            for some in runs([n for n in numbers if n not in self._copied]):
                self._copy(some)
        return sorted({path for n in numbers if (path := self._copied[n])})

    def _copy(self, numbers: Sequence[int]) -> None:
        """Copy neighbouring pieces together."""
        span = Window(self._pieces[numbers[0]].window.start_at, self._pieces[numbers[-1]].window.end_at)
        path = self._folder / f"live-{numbers[0]}.parquet"
        self._copied |= dict.fromkeys(numbers, path if self._live.copy(span, path) else None)

    def _kept_failure(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except ServiceManagerError as error:
            self.failure = self.failure or error
            raise

    def _dataset(self, promised: Iterable[tuple[str, Any]]) -> ds.FileSystemDataset:
        """Of names that Arrow never opens: it only finds out which of them a filter leaves."""
        nowhere = fs.LocalFileSystem()
        fragments = [
            self._format.make_fragment(name, filesystem=nowhere, partition_expression=promise)
            for name, promise in promised
        ]
        return ds.FileSystemDataset(fragments, self.schema, self._format, nowhere)


@dataclass(frozen=True)
class _Asked:
    columns: list[str]
    rows: Any


@dataclass(frozen=True)
class _Scan:
    """As much of Arrow's scanner as DuckDB uses."""

    reader: pa.RecordBatchReader

    def to_reader(self) -> pa.RecordBatchReader:
        return self.reader


def _promise(entry: JournaledWindow) -> Any:
    return (pc.field("creation_date") == entry.creation_date) & _within(entry.window)


def _within(window: Window) -> Any:
    return (pc.field("creationDate") >= window.start_at) & (pc.field("creationDate") < window.end_at)


def runs(numbers: Iterable[int]) -> list[list[int]]:
    """Ascending numbers, parted where one is left out."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][-1] == number - 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found
