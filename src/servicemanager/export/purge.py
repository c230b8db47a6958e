"""Purge: rows leave Facts slice by slice, each in one short transaction that proves itself before it commits.

Within it the fence is passed, the slice's rows are locked and fingerprinted, deleted, and marked as
purged; it commits only when archived, locked and deleted numbers agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
import stamina

from servicemanager.archive.journal import JournaledWindow, Part
from servicemanager.archive.proof import prove_present, read_proven
from servicemanager.errors import ArchiveRefused, DatabaseBusy, DatabaseUnreachable, ServiceManagerError
from servicemanager.export.pace import Work
from servicemanager.export.tools import Tools
from servicemanager.iotdb.fingerprint import EMPTY, Fingerprint, total
from servicemanager.iotdb.twins import unproven
from servicemanager.iotdb.window import Window

#: An object that was sealed longer ago than this is read again before its rows are deleted.
FRESH = timedelta(days=1)


class SliceDiffers(ServiceManagerError):
    """The slice holds other rows than the archive does; nothing was deleted."""


@dataclass(frozen=True)
class Slice:
    """A stretch of a window, and what must be found there to be deleted."""

    number: int
    window: Window
    #: Parts of it that were archived and not purged yet.
    unpurged: tuple[Part, ...]
    expected: Fingerprint


def slices_of(parts: Iterable[Part]) -> list[Slice]:
    """All slices of a window, in order, each expecting what the archive holds and has not purged."""
    by_number: dict[int, list[Part]] = {}
    for part in parts:
        by_number.setdefault(part.slice, []).append(part)
    return [_slice(number, group) for number, group in sorted(by_number.items())]


def _slice(number: int, parts: list[Part]) -> Slice:
    unpurged = tuple(part for part in parts if part.purged_at is None)
    return Slice(number, parts[0].window, unpurged, total(part.fingerprint for part in unpurged))


def prove_objects(tools: Tools, entry: JournaledWindow, slices: Iterable[Slice]) -> None:
    """Look every object up, once more, whose rows are about to be deleted. Raises ArchiveDamaged or ObjectCold."""
    generations = {part.generation for piece in slices for part in piece.unpurged}
    with tools.database.reading() as connection:
        now = tools.database.now(connection)
    for found in tools.journal.objects(entry.id):
        if found.generation in generations:
            told = prove_present(tools.stores, found)
            if not told or now - found.sealed_at > FRESH:
                read_proven(tools.stores, found)


def purge_slices(
    tools: Tools, entry: JournaledWindow, slices: Iterable[Slice], known: Mapping[int, Fingerprint] | None = None
) -> tuple[int, list[Slice]]:
    """Delete what agrees; returns the rows deleted and the slices that differ.

    `known` says, for reconciled slices, what the archive was found to hold of them, row by row.
    """
    deleted, differing = 0, []
    for piece in slices:
        expected = (known or {}).get(piece.number, piece.expected)
        if not piece.unpurged and expected == EMPTY:
            continue
        tools.throttle.before(Work.DELETE, expected.rows)
        tools.context.checkpoint()
        try:
            deleted += purge_slice(tools, entry, piece, expected)
        except SliceDiffers:
            differing.append(piece)
        tools.context.progress.advance("purged", piece.expected.rows)
    return deleted, differing


def purge_slice(tools: Tools, entry: JournaledWindow, piece: Slice, expected: Fingerprint) -> int:
    """The rows deleted, 0 if an earlier attempt's commit went through. Raises SliceDiffers."""
    attempts = stamina.retry_context(on=(DatabaseBusy, DatabaseUnreachable), attempts=8, timeout=None, wait_max=2.0)
    for attempt in attempts:
        with attempt:
            tools.context.checkpoint()
            if attempt.num > 1 and _committed_after_all(tools, entry, piece):
                return expected.rows
            return _delete(tools, entry, piece, expected)
    return 0


def _delete(tools: Tools, entry: JournaledWindow, piece: Slice, expected: Fingerprint) -> int:
    facts, lease = tools.facts, tools.context.lease
    with tools.database.transaction() as tx:
        lease.pass_fence(tx)
        # Where nothing is to be deleted nothing need be locked, and the right to may be missing.
        (locked,) = facts.fingerprints(tx, [piece.window], lock=expected != EMPTY)
        if locked != expected:
            raise SliceDiffers(expected.difference(locked))
        if expected != piece.expected:
            _refuse_detached(tx, piece.window)
        deleted = facts.delete(tx, piece.window) if locked.rows else 0
        if deleted != locked.rows:
            # A row arrived between the two statements, and would have gone with the others.
            raise SliceDiffers(f"{deleted} deleted against {locked.rows} archived rows")
        _mark(tools, tx, entry, piece)
        return deleted


def _refuse_detached(tx: sa.Connection, window: Window) -> None:
    """Rows that Facts lacks must not count as purged while they may be in a twin, to which they were detached.

    No more can be detached before the end of the transaction, which has read Facts.
    """
    waiting = unproven(tx)
    if waiting:
        raise ArchiveRefused(
            f"Facts lacks rows of {window}, and {', '.join(waiting)} may hold them, into which another run detached "
            "some: the next export begins with those."
        )


def _mark(tools: Tools, tx: sa.Connection, entry: JournaledWindow, piece: Slice) -> None:
    marked = tools.journal.mark_purged(tx, entry.id, piece.number, tools.database.now(tx))
    if marked != len(piece.unpurged):
        raise SliceDiffers(f"{marked} parts in the journal against {len(piece.unpurged)} proven")


def _committed_after_all(tools: Tools, entry: JournaledWindow, piece: Slice) -> bool:
    """Whether the answer to COMMIT was lost, and not the commit: the journal knows."""
    generations = {part.generation for part in piece.unpurged}
    parts = [p for p in tools.journal.parts(entry.id) if p.slice == piece.number and p.generation in generations]
    return all(part.purged_at is not None for part in parts)
