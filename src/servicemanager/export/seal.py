"""Seal: a window's rows become an object only after file and database agree on its fingerprint.

The file is read back from disk before it is believed, and the bytes that were read back are the bytes
that are put.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa

from servicemanager.archive.journal import Part
from servicemanager.archive.parquet import MAX_BYTES, Label, iter_groups, read_object, write_object
from servicemanager.archive.proof import sha256
from servicemanager.errors import ArchiveDamaged, ArchiveRefused, ServiceManagerError, StagingFailed
from servicemanager.export.read_ahead import Reading, read_window
from servicemanager.export.staging import failing_in, staged_file
from servicemanager.export.tools import Tools
from servicemanager.iotdb.columns import STORED
from servicemanager.iotdb.fingerprint import MICRO, Fingerprint, fingerprint_slices, total
from servicemanager.iotdb.moments import Moments, Pair, merged, moments_of
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
    #: Of the same bytes, decoded.
    moments: Mapping[Pair, Moments]


@dataclass(frozen=True)
class Decoded:
    """What an object's bytes hold: a fingerprint for each stretch between the cuts, and the moments of all rows."""

    fingerprints: list[Fingerprint]
    moments: Mapping[Pair, Moments]


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
    proofs = _between(fingerprint_slices(rows, edges), len(slices))
    body = _stage(tools, rows, label.sealed(total(proofs)))
    decoded = _read_back(body, edges)
    _check(_between(decoded.fingerprints, len(slices)), proofs)
    pairs = zip(slices, proofs, strict=True)
    parts = tuple(Part(label.generation, n, w, f) for (n, w), f in pairs)
    return Sealed(label.sealed(total(proofs)), body, parts, decoded.moments)


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

    At its purge each slice is counted by itself once more.
    """
    if not reading.rows.num_rows and not reading.counted.rows:
        return None
    slices = _slices(tools, label.window, reading.rows.column(STORED).to_numpy())
    sealed = label.sealed(reading.counted)
    body = _stage(tools, reading.rows, sealed)
    parts, moments = _parts(tools, label, slices, body)
    _check([total(part.fingerprint for part in parts)], [reading.counted])
    return Sealed(sealed, body, parts, moments)


def _stage(tools: Tools, rows: pa.Table, label: Label) -> bytes:
    """The whole object as the disk gives it back."""
    with staged_file(tools.staging, tools.uuid) as file, failing_in(tools.staging):
        written = write_object(file, rows, tools.facts.time, label)
        file.flush()
        file.seek(0)
        body = file.read()
    if sha256(body) != written:
        raise StagingFailed("The disk gave back other bytes than were written: check it; nothing was put or deleted.")
    if len(body) > MAX_BYTES:
        raise ArchiveRefused(
            f"The rows of {label.window} make an object of {len(body)} bytes, more than one conditional put may carry."
        )
    return body


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


def _parts(
    tools: Tools, label: Label, slices: Sequence[Window], body: bytes
) -> tuple[tuple[Part, ...], Mapping[Pair, Moments]]:
    """What the bytes themselves, decoded, hold for each slice, and the moments of all."""
    cuts = [tools.facts.micros(window.start_at) for window in slices[1:]]
    found = _read_back(body, cuts)
    pairs = enumerate(zip(slices, found.fingerprints, strict=True))
    return tuple(Part(label.generation, n, w, f) for n, (w, f) in pairs), found.moments


def _read_back(body: bytes, cuts: Sequence[int]) -> Decoded:
    found, moments = [fingerprint_slices(READ_SCHEMA.empty_table(), cuts)], []
    try:
        for group in iter_groups(body, "The staged file"):
            rows = group.rows
            found.append(fingerprint_slices(rows, cuts))
            moments.append(moments_of(rows))
        return Decoded([total(each) for each in zip(*found, strict=True)], merged(moments))
    except ArchiveDamaged as error:
        raise StagingFailed(f"{error} The disk gave back other bytes than were written.") from error


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


def _check(archived: Sequence[Fingerprint], counted: Sequence[Fingerprint]) -> None:
    for mine, theirs in zip(archived, counted, strict=True):
        if mine != theirs:
            raise Disagreement(mine.difference(theirs))
