"""The view `facts`: the archive's objects and the live rows as one dataset, of which only what is asked for is read.

DuckDB tells an Arrow dataset which columns and which rows it wants. Each object promises its day and its window, so
those of other days are never opened; live rows are copied when the first query asks for their days.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from servicemanager.archive.ahead import ahead
from servicemanager.archive.journal import Location
from servicemanager.archive.parquet import ARROW_THREADS
from servicemanager.errors import ServiceManagerError
from servicemanager.iotdb.columns import STRINGS
from servicemanager.iotdb.window import Window
from servicemanager.lake.live import LiveRows, gaps, merged
from servicemanager.lake.promises import Archived, Asked, Month, Piece, archived_months
from servicemanager.lake.reading import damaged, read_columns

#: Objects that are read and decoded ahead.
_THREADS = 3
_BATCH_ROWS = 65_536


class FactsView(ds.Dataset):  # type: ignore[misc]  # pyarrow has no types
    """What DuckDB scans. Safe to scan from several threads.

    Arrow's own threads never call Python here: where DuckDB lets go of a scan that is not at its end, it waits for
    them, and may hold what Python needs to run.
    """

    def __init__(
        self,
        locations: Sequence[Location],
        live: LiveRows,
        months: Sequence[Month[Piece]],
        folder: Path,
        *,
        archived: bool,
    ) -> None:
        self.objects = [each.url for each in locations]
        self._live = live
        self._months = months
        self._folder = folder
        texts = ds.ParquetReadOptions(dictionary_columns=list(STRINGS))
        checked = ds.ParquetFragmentScanOptions(page_checksum_verification=True, pre_buffer=False)
        self._format = ds.ParquetFileFormat(read_options=texts, default_fragment_scan_options=checked)
        self._archived = archived_months(locations if archived else ())
        #: What was copied already, and where to; None where there were no rows.
        self._copied: dict[Window, Path | None] = {}
        self._copying = threading.Lock()
        #: The first error of ours: on its way through DuckDB it becomes a text.
        self.failure: ServiceManagerError | None = None

    @property
    def schema(self) -> pa.Schema:
        return self._live.schema

    def scanner(self, **options: Any) -> _Scan:
        """Called by DuckDB, with the columns and the filter that it wants."""
        columns = options.get("columns") or self.schema.names
        asked = Asked(options.get("filter"), self.schema)
        layout = pa.schema([self.schema.field(name) for name in columns])
        return _Scan(pa.RecordBatchReader.from_batches(layout, self._kept_failure(self._batches(layout, asked))))

    def _batches(self, layout: pa.Schema, asked: Asked) -> Iterator[pa.RecordBatch]:
        """One object first, since a LIMIT may be content with it; then live rows, before their moment is long past."""
        objects = asked.objects(self._archived)
        with closing(ahead(lambda found: self._read(*found, layout, asked), objects, _THREADS)) as tables:
            for _, wait in islice(tables, 1):
                yield from wait().to_batches(max_chunksize=_BATCH_ROWS)
            for path in self._live_files(asked):
                fragment = self._format.make_fragment(str(path), filesystem=fs.LocalFileSystem())
                yield from fragment.scanner(**self._options(layout, asked), batch_readahead=2).to_batches()
            for _, wait in tables:
                yield from wait().to_batches(max_chunksize=_BATCH_ROWS)

    def _read(self, found: Archived, whole: bool, layout: pa.Schema, asked: Asked) -> pa.Table:
        """What is asked for of an object, which is so small that it is read whole."""
        self._live.checkpoint()
        store, key = self._live.stores.locate(found.url)
        body = store.read(key)
        if whole:
            return read_columns(body, found.url, layout, found.day)
        try:
            # Arrow leaves out those groups of rows, too, that by their least and greatest values can't be asked for.
            fragment = self._format.make_fragment(pa.BufferReader(body), partition_expression=found.promise)
            return fragment.to_table(**self._options(layout, asked))
        except (pa.ArrowException, OSError) as error:
            raise damaged(found.url, error) from error

    def _options(self, layout: pa.Schema, asked: Asked) -> dict[str, Any]:
        return {"schema": self.schema, "columns": layout.names, "filter": asked.rows, "use_threads": ARROW_THREADS}

    def _live_files(self, asked: Asked) -> list[Path]:
        wanted = merged(each.window for each in asked.days(self._months))
        with self._copying:
            for span in wanted:
                for rest in gaps(span, sorted(self._copied)):
                    path = self._folder / f"live-{rest}.parquet"
                    self._copied[rest] = path if self._live.copy(rest, path) else None
        held = [(copied, path) for copied, path in sorted(self._copied.items()) if path]
        return [path for copied, path in held if any(copied.overlaps(span) for span in wanted)]

    def _kept_failure(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except ServiceManagerError as error:
            self.failure = self.failure or error
            raise


@dataclass(frozen=True)
class _Scan:
    """As much of Arrow's scanner as DuckDB uses."""

    reader: pa.RecordBatchReader

    def to_reader(self) -> pa.RecordBatchReader:
        return self.reader
