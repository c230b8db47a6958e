"""Seal: a window's rows become an object only after file and database agree on its fingerprint.

The file is read back from disk before it is believed, and the bytes that were read back are the bytes
that are put.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa

from servicemanager.archive.journal import Part
from servicemanager.archive.parquet import (
    MAX_BYTES,
    Arranged,
    Label,
    holds_exactly,
    iter_groups,
    read_object,
    write_object,
)
from servicemanager.archive.proof import sha256
from servicemanager.errors import ArchiveDamaged, ArchiveRefused, ServiceManagerError, StagingFailed
from servicemanager.export.read_ahead import Reading, read_window
from servicemanager.export.staging import failing_in, staged_file
from servicemanager.export.tools import Tools
from servicemanager.iotdb.columns import STORED
from servicemanager.iotdb.fingerprint import MICRO, Fingerprint, fingerprint_slices, total
from servicemanager.iotdb.moment_columns import merged, moments_of
from servicemanager.iotdb.reader import READ_SCHEMA
from servicemanager.iotdb.window import Window

_ATTEMPTS = 3
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- stored values have no zone


class Disagreement(ServiceManagerError):
    """File and database count differently."""

    retryable = True


@dataclass(frozen=True)
class Sealed:
    """An object that may be put: its bytes, and what they hold for each slice."""

    label: Label
    body: bytes
    parts: tuple[Part, ...]
    #: Of the same bytes, decoded; see `moment_columns`.
    moments: pa.Table


def seal_window(tools: Tools, label: Label, reading: Reading) -> Sealed | None:
    """Seal the window of `label`, of which there is a first `reading`; None when it holds no rows.

    Rows that arrive while it is read make file and database disagree; then it is read again.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        tools.context.checkpoint()
        try:
            return _seal(tools, label, reading)
        except Disagreement as error:
            if attempt == _ATTEMPTS:
                raise ArchiveDamaged(
                    f"The rows of {label.window} could not be archived: after {_ATTEMPTS} readings file and database "
                    f"still differ in {error}. Nothing was put or deleted."
                ) from error
            tools.context.progress.say("read again", window=str(label.window), differs=str(error))
        reading = read_window(tools, label.window)
    return None


def seal_rows(tools: Tools, label: Label, rows: pa.Table, slices: Sequence[tuple[int, Window]]) -> Sealed:
    """Seal rows that are already known to be in the database and not in the archive: a further generation."""
    edges = _edges(tools, [window for _, window in slices])
    pairs = zip(slices, _between(fingerprint_slices(rows, edges), len(slices)), strict=True)
    parts = tuple(Part(label.generation, n, w, f) for (n, w), f in pairs)
    return _stage(tools, rows, label, parts)


def adopt(tools: Tools, label: Label, body: bytes, slices: Sequence[tuple[int, Window]] = ()) -> Sealed:
    """Take an object that is already in the store for what it holds, whoever put it there.

    `slices` are the window's, where an earlier generation has cut them.
    Raises ArchiveRefused when it is another database's or another window's, ArchiveDamaged when it is unreadable.
    """
    url = tools.stores.current.url_of(label.key)
    content = read_object(body, url)
    found, rows = content.label, content.rows
    if (found.database, found.window, found.generation) != (label.database, label.window, label.generation):
        raise ArchiveRefused(
            f"The object {url} holds other rows than its name says (database {found.database}, window "
            f"{found.window}, generation {found.generation}): move it away, then run the export again."
        )
    pieces = [window for _, window in slices] or _slices(tools, label.window, rows.column(STORED).to_numpy())
    parts, moments = _parts(tools, label, pieces, body)
    if slices:
        parts = tuple(part for part in parts if part.fingerprint.rows)
    if total(part.fingerprint for part in parts) != found.fingerprint:
        raise ArchiveDamaged(f"The object {url} does not hold the rows that its label promises: move it away.")
    return Sealed(label.sealed(total(part.fingerprint for part in parts)), body, parts, moments)


def _seal(tools: Tools, label: Label, reading: Reading) -> Sealed | None:
    """The database's count is that of the whole window: a file that agrees with it holds the same rows, slice by slice.

    It counts the rows and sums up what binds each of them together; what the sums of single columns tell besides
    is asked, slice by slice and under lock, before anything is deleted.
    """
    slices = _slices(tools, label.window, reading.rows.column(STORED).to_numpy())
    cuts = [tools.facts.micros(window.start_at) for window in slices[1:]]
    pairs = enumerate(zip(slices, fingerprint_slices(reading.rows, cuts), strict=True))
    parts = tuple(Part(label.generation, n, w, f) for n, (w, f) in pairs)
    sealed = _stage(tools, reading.rows, label, parts) if reading.rows.num_rows else None
    read, counted = total(part.fingerprint for part in parts).count, reading.counted()
    if read != counted:
        raise Disagreement(read.difference(counted))
    return sealed


def _stage(tools: Tools, rows: pa.Table, label: Label, parts: tuple[Part, ...]) -> Sealed:
    """Write the rows, whose fingerprints `parts` holds, and take what the disk gives back once it proves to hold them.

    What is decoded from it is compared with the rows themselves, so it has their fingerprints.
    """
    label, arranged = label.sealed(total(part.fingerprint for part in parts)), Arranged(rows, tools.facts.time)
    with staged_file(tools.staging, tools.uuid) as file, failing_in(tools.staging):
        written = write_object(file, arranged, label)
        file.flush()
        file.seek(0)
        body = file.read()
    if sha256(body) != written or not holds_exactly(body, arranged):
        raise StagingFailed("The disk gave back other bytes than were written: check it; nothing was put or deleted.")
    if len(body) > MAX_BYTES:
        raise ArchiveRefused(
            f"The rows of {label.window} make an object of {len(body)} bytes, more than one conditional put may carry."
        )
    return Sealed(label, body, parts, moments_of(rows))


def _slices(tools: Tools, window: Window, stored: np.ndarray) -> list[Window]:
    """Cut `window` into slices of a bounded number of rows, at whole seconds; without an index it is one slice."""
    times = np.sort(stored)
    cuts: list[datetime] = []
    if tools.facts.shape.indexed:
        edges = np.unique(times[tools.slice_rows :: tools.slice_rows] // MICRO)
        begins = [_EPOCH + timedelta(seconds=int(second)) for second in edges]
        instants = [tools.facts.time.to_window(begin, begin + timedelta(seconds=1)).start_at for begin in begins]
        cuts = sorted({instant for instant in instants if window.start_at < instant < window.end_at})
    bounds = [window.start_at, *cuts, window.end_at]
    return [Window(a, b) for a, b in pairwise(bounds)]


def _parts(tools: Tools, label: Label, slices: Sequence[Window], body: bytes) -> tuple[tuple[Part, ...], pa.Table]:
    """What the bytes themselves, decoded, hold for each slice, and the moments of all."""
    cuts = [tools.facts.micros(window.start_at) for window in slices[1:]]
    found, moments = [fingerprint_slices(READ_SCHEMA.empty_table(), cuts)], []
    for group in iter_groups(body, tools.stores.current.url_of(label.key)):
        found.append(fingerprint_slices(group.rows, cuts))
        moments.append(moments_of(group.rows))
    pairs = enumerate(zip(slices, (total(each) for each in zip(*found, strict=True)), strict=True))
    return tuple(Part(label.generation, n, w, f) for n, (w, f) in pairs), merged(moments)


def _edges(tools: Tools, slices: Sequence[Window]) -> list[int]:
    """Both ends of disjoint slices, in order; neighbours share an end."""
    return [tools.facts.micros(instant) for window in slices for instant in (window.start_at, window.end_at)]


def _between(fingerprints: Sequence[Fingerprint], slices: int) -> list[Fingerprint]:
    """Of the fingerprints between all edges, those of the slices; what lies outside of them must be empty."""
    inside = list(fingerprints[1::2])[:slices]
    outside = total(fingerprints[0::2])
    if outside.rows:
        raise StagingFailed(f"{outside.rows} rows lie outside of the slices that they were read from.")
    return inside
