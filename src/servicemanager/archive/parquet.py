"""Objects of the archive: Parquet files of one window, sorted, with a label that says what they hold.

Every column of Facts is there; creationDate in UTC and, where the database holds wall times, that time
as it was stored in `creationDate_local`. The label travels in the file's footer (and in the object's
metadata), so that the archive can be audited without the database.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from servicemanager.errors import ArchiveDamaged
from servicemanager.iotdb.columns import COLUMNS, STORED, STRINGS
from servicemanager.iotdb.fingerprint import Fingerprint
from servicemanager.iotdb.row_text import encoded, places
from servicemanager.iotdb.stored import StoredTime, WallTime
from servicemanager.iotdb.window import Window, compact, parse_compact

FORMAT = 1
FOLDER = "facts/"
#: The key of the label in footers and in objects' metadata.
LABEL = "servicemanager"
#: One conditional put carries an object up to this size.
MAX_BYTES = 64 * 1024 * 1024
#: Rows that are sorted at once.
GROUP_ROWS = 250_000
#: For whatever reads with Arrow. A process that ends just after Arrow's own threads were busy is aborted now and then
#: (2 of 300, pyarrow 26.0.1), its work done but its exit status a failure. What is to overlap runs in threads of ours.
ARROW_THREADS = False
_PAGE_GROUP_ROWS = 65_536
_STRING = pa.string()
_KEY = re.compile(rf"{FOLDER}creation_date=([\d-]{{10}})/(\w{{16}})-(\w{{16}})-g(\d+)\.parquet")


def day_folder(day: date) -> str:
    """Hive-style, so that query engines take the day for a column."""
    return f"{FOLDER}creation_date={day.isoformat()}/"


@dataclass(frozen=True)
class Label:
    """What an object is: which rows of which database."""

    database: str
    window: Window
    creation_date: date
    generation: int
    fingerprint: Fingerprint | None = None

    @property
    def key(self) -> str:
        return f"{day_folder(self.creation_date)}{self.window}-g{self.generation}.parquet"

    def sealed(self, fingerprint: Fingerprint) -> Label:
        return replace(self, fingerprint=fingerprint)

    def to_metadata(self) -> dict[str, str]:
        """ASCII, well under the 2 KB that S3 allows."""
        value = {
            "format": FORMAT,
            "database": self.database,
            "start": compact(self.window.start_at),
            "end": compact(self.window.end_at),
            "creation_date": self.creation_date.isoformat(),
            "generation": self.generation,
        }
        if self.fingerprint:
            value["fingerprint"] = json.loads(self.fingerprint.to_json())
        return {LABEL: json.dumps(value, separators=(",", ":"))}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Label:
        """Raises ValueError for what is no label of ours."""
        try:
            value = json.loads(metadata[LABEL])
            window = Window(parse_compact(value["start"]), parse_compact(value["end"]))
            fingerprint = Fingerprint.from_json(json.dumps(value["fingerprint"]))
            day = date.fromisoformat(value["creation_date"])
            return cls(str(value["database"]), window, day, int(value["generation"]), fingerprint)
        except (KeyError, TypeError) as error:
            raise ValueError("there is no label of ServiceManager") from error


@dataclass(frozen=True)
class Name:
    """What an object's key says of it."""

    creation_date: date
    window: Window
    generation: int


def parse_key(key: str) -> Name | None:
    """None for a key that is not shaped like ours."""
    match = _KEY.fullmatch(key)
    if not match:
        return None
    day, start, end, generation = match.groups()
    try:
        window = Window(parse_compact(start), parse_compact(end))
        return Name(date.fromisoformat(day), window, int(generation))
    except ValueError:
        return None


class _Hashed:
    """A file that knows the SHA-256 of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.closed = False

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True

    def tell(self) -> int:
        return self._file.tell()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class Arranged:
    """Rows in READ_SCHEMA, in any order, as an object holds them: each GROUP_ROWS sorted by themselves.

    More groups than one are made anew whenever they are gone through, for they take more memory than the rows.
    """

    rows: pa.Table
    time: StoredTime

    @property
    def schema(self) -> pa.Schema:
        return _schema(self.time)

    def __iter__(self) -> Iterator[pa.Table]:
        if 0 < self.rows.num_rows <= GROUP_ROWS:
            return iter([self._first])
        return map(self._group, range(0, self.rows.num_rows, GROUP_ROWS))

    @cached_property
    def _first(self) -> pa.Table:
        return self._group(0)

    def _group(self, start: int) -> pa.Table:
        return _to_archive(_sorted(self.rows.slice(start, GROUP_ROWS)), self.time)


def write_object(sink: BinaryIO, rows: Arranged, label: Label) -> str:
    """Write at least one row as an object, and return the SHA-256 of all bytes written."""
    hashed = _Hashed(sink)
    writer = pq.ParquetWriter(hashed, rows.schema, compression="zstd", compression_level=3, write_page_checksum=True)
    try:
        for group in rows:
            writer.write_table(group, row_group_size=_PAGE_GROUP_ROWS)
        writer.add_key_value_metadata(label.to_metadata())
        writer.close()
    except BaseException:
        # Arrow would close what was left open when it is collected, on a file that is closed by then.
        with suppress(OSError, pa.ArrowException):
            writer.close()
        raise
    return hashed.hexdigest()


def _sorted(rows: pa.Table) -> pa.Table:
    """By device (its UTF-8 bytes), sensor and time; NULL comes first."""
    device, sensor = encoded(rows.column("device")), rows.column("sensor")
    rank = np.append(pc.rank(device.dictionary, tiebreaker="dense").to_numpy(), 0)[places(device)]
    filled = pc.fill_null(sensor, 0).to_numpy()
    keys = (rows.column(STORED).to_numpy(), _small(filled), sensor.is_valid().to_numpy(), _small(rank))
    return rows.take(pa.array(np.lexsort(keys)))


def _small(values: np.ndarray) -> np.ndarray:
    """Of the same order; numpy sorts 16-bit numbers in a fraction of the time."""
    low, high = int(values.min()), int(values.max())
    return (values - low).astype(np.uint16) if high - low < 1 << 16 else values


@dataclass(frozen=True)
class Content:
    """An object as decoded from its bytes."""

    label: Label
    #: As in the file.
    table: pa.Table

    @property
    def rows(self) -> pa.Table:
        """As `Facts.read` gives them: with the time as it stands in the database."""
        local = "creationDate_local" in self.table.column_names
        stored = self.table.column("creationDate_local" if local else "creationDate")
        return self.table.select(COLUMNS).append_column(STORED, stored.cast(pa.int64()))


def iter_groups(body: bytes, name: str) -> Iterator[Content]:
    """An object, a row group at a time, with strings as in dictionaries. Raises ArchiveDamaged."""
    try:
        source = pa.BufferReader(body)
        file = pq.ParquetFile(source, page_checksum_verification=True, read_dictionary=list(STRINGS))
        label, layout = _label_of(file), _schema_of(file, pa.dictionary(pa.int32(), pa.string()))
        for group in range(file.num_row_groups):
            yield Content(label, file.read_row_group(group, use_threads=ARROW_THREADS).cast(layout))
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        raise ArchiveDamaged(f"{name} can't be read as an object of this archive: {error}.") from error


def holds_exactly(body: bytes, rows: Arranged) -> bool:
    """Whether an object, decoded, is made of just these rows, to the last bit and in the same order."""
    try:
        file = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True)
        found = (file.read_row_group(group, use_threads=ARROW_THREADS) for group in range(file.num_row_groups))
        return all(_begins_with(found, group) for group in rows) and next(found, None) is None
    except (pa.ArrowException, OSError):
        return False


def _begins_with(found: Iterator[pa.Table], group: pa.Table) -> bool:
    """Takes from `found` as many tables as make up `group`."""
    start = 0
    while start < group.num_rows:
        table = next(found, None)
        if table is None or not table.equals(group.slice(start, table.num_rows)):
            return False
        start += table.num_rows
    return True


def read_object(body: bytes, name: str) -> Content:
    """Decode an object, page checksums checked.

    Raises ArchiveDamaged where `body` is no object of ours; `name` is for the message.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True)
        return Content(_label_of(file), file.read(use_threads=ARROW_THREADS).cast(_schema_of(file)))
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        raise ArchiveDamaged(f"{name} can't be read as an object of this archive: {error}.") from error


def _label_of(file: pq.ParquetFile) -> Label:
    footer = {k.decode(): v.decode() for k, v in (file.metadata.metadata or {}).items() if k == LABEL.encode()}
    return Label.from_metadata(footer)


def _schema(time: StoredTime) -> pa.Schema:
    return _layout(local=isinstance(time, WallTime))


def _schema_of(file: pq.ParquetFile, string: pa.DataType = _STRING) -> pa.Schema:
    return _layout(local="creationDate_local" in file.schema_arrow.names, string=string)


def _layout(*, local: bool, string: pa.DataType = _STRING) -> pa.Schema:
    fields = [(name, string if name in STRINGS else pa.int64()) for name in COLUMNS]
    fields.append(("creationDate", pa.timestamp("us", tz="UTC")))
    if local:
        fields.append(("creationDate_local", pa.timestamp("us")))
    return pa.schema(fields)


def _to_archive(rows: pa.Table, time: StoredTime) -> pa.Table:
    stored = rows.column(STORED)
    columns = [rows.column(name).cast(_schema(time).field(name).type) for name in COLUMNS]
    columns.append(pa.array(time.to_utc(stored.to_numpy())).cast(pa.timestamp("us", tz="UTC")))
    if isinstance(time, WallTime):
        columns.append(stored.cast(pa.timestamp("us")))
    return pa.Table.from_arrays(columns, schema=_schema(time))
