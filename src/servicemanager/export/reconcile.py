"""Reconcile: where database and archive differ, compare them row by row, as multisets.

Rows that the archive lacks become a further generation of the window. In a slice that was purged every
row found is new, even one that equals a purged row. Rows that only the archive holds are reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from servicemanager.archive.journal import JournaledWindow
from servicemanager.archive.proof import read_proven
from servicemanager.errors import ArchiveDamaged
from servicemanager.export.purge import Slice, slices_of
from servicemanager.export.read_ahead import read_window
from servicemanager.export.tools import Tools
from servicemanager.iotdb.fingerprint import Fingerprint, fingerprint_rows
from servicemanager.iotdb.multiset import multiset_difference
from servicemanager.iotdb.reader import READ_SCHEMA

_NONE = READ_SCHEMA.empty_table()


@dataclass
class Differences:
    """What a window's differing slices hold that the archive lacks, and what they lack."""

    #: The number of the object that will hold the new rows. It is read before the rows are: a run that froze in
    #: between then meets the object of the one that took over, instead of putting its rows beside it once more.
    generation: int
    #: For each slice: what the database was read to hold, all of which the archive holds after `new` is put.
    known: dict[int, Fingerprint] = field(default_factory=dict)
    #: Slices with new rows, in order, and those rows.
    slices: list[Slice] = field(default_factory=list)
    new: list[pa.Table] = field(default_factory=list)
    #: Rows that only the archive holds.
    vanished: int = 0


def compare_window(tools: Tools, entry: JournaledWindow) -> Differences:
    """Count every slice, and compare those row by row whose fingerprints differ."""
    result = Differences(len(tools.journal.objects(entry.id)))
    slices = slices_of(tools.journal.parts(entry.id))
    with tools.database.reading() as connection:
        counted = tools.facts.fingerprints(connection, [piece.window for piece in slices])
    differing = [p for p, found in zip(slices, counted, strict=True) if found != p.expected]
    if differing:
        _compare(tools, entry, differing, result)
    return result


def _compare(tools: Tools, entry: JournaledWindow, differing: Sequence[Slice], result: Differences) -> None:
    archived = _archived_rows(tools, entry, differing)
    for piece in differing:
        tools.context.checkpoint()
        live = _live_rows(tools, piece)
        generations = {part.generation for part in piece.unpurged}
        kept = pa.concat_tables([_NONE, *(rows for number, rows in archived if number in generations)])
        new, vanished = multiset_difference(live, tools.facts.within(piece.window, kept))
        result.known[piece.number] = fingerprint_rows(live)
        result.vanished += vanished
        if new.num_rows:
            result.slices.append(piece)
            result.new.append(new)


def _live_rows(tools: Tools, piece: Slice) -> pa.Table:
    """The slice's rows as read, believed only when the database counts the same."""
    for _ in range(3):
        reading = read_window(tools, piece.window)
        if reading.counted() == fingerprint_rows(reading.rows).count:
            return reading.rows.cast(READ_SCHEMA)
    raise ArchiveDamaged(f"The rows of {piece.window} change while they are read: the next run tries again.")


def _archived_rows(tools: Tools, entry: JournaledWindow, differing: Sequence[Slice]) -> list[tuple[int, pa.Table]]:
    """The rows of every object that holds something unpurged for one of the slices."""
    generations = {part.generation for piece in differing for part in piece.unpurged}
    objects = [found for found in tools.journal.objects(entry.id) if found.generation in generations]
    return [(found.generation, read_proven(tools.stores, found)) for found in objects]
