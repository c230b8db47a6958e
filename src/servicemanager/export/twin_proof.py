"""The proof of a twin: the archive holds exactly its rows, or is given what it lacks, before they count as purged.

The twin is counted, whatever the dates of its rows, by the transaction that marks its slices as purged and itself as
proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import stamina

from servicemanager.archive.journal import JournaledWindow
from servicemanager.errors import ArchiveDamaged, ArchiveRefused, DatabaseBusy, ObjectCold
from servicemanager.export.purge import Slice, prove_objects, slices_of
from servicemanager.export.reconcile import compare_window
from servicemanager.export.tools import Tools
from servicemanager.export.work import Tally, deliver, further
from servicemanager.iotdb import twins
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.fingerprint import total
from servicemanager.iotdb.twins import Twin

_ROUNDS = 3
_TRIES = 4


@dataclass(frozen=True)
class Proof:
    """What a twin is proven with."""

    tools: Tools
    twin: Twin
    #: Its rows.
    facts: Facts
    tally: Tally
    looked_up: Mapping[int, int]


def prove_twin(proof: Proof) -> bool:
    """Archive what the archive lacks, until both agree; False where the rows can't be proven as a whole."""
    span, entries = proof.twin.span, proof.tools.journal.windows(proof.twin.span)
    try:
        if proof.facts.shape.extra or not all(span.covers(entry.window) for entry in entries):
            return False
        for _ in range(_ROUNDS):
            if _mark_patiently(proof, entries):
                return True
            if not all(_archive_rest(proof, entry) for entry in entries):
                return False
    except (ArchiveDamaged, ArchiveRefused, ObjectCold):
        pass  # it is said where the rows are tried to be deleted one by one
    return False


def _mark_patiently(proof: Proof, entries: Sequence[JournaledWindow]) -> bool:
    """Tried again only where it was surely rolled back: rows of a twin that is marked already would seem new."""
    for attempt in stamina.retry_context(on=DatabaseBusy, attempts=_TRIES, timeout=None, wait_max=2.0):
        with attempt:
            proof.tools.context.lease.check()
            return _mark(proof, entries)
    return False


def _mark(proof: Proof, entries: Sequence[JournaledWindow]) -> bool:
    """Mark as purged what the twin holds, if that is exactly what the archive holds and the journal takes for unpurged.

    The twin is counted within the transaction that marks it: only its own term's holder writes to it, through the
    fence.
    """
    tools, twin, facts = proof.tools, proof.twin, proof.facts
    slices = {entry.id: slices_of(tools.journal.parts(entry.id)) for entry in entries}
    for entry in entries:
        _look_up(proof, entry, slices[entry.id])
    expected = total(piece.expected for pieces in slices.values() for piece in pieces)
    with tools.database.transaction() as tx:
        tools.context.lease.pass_fence(tx)
        found = facts.fingerprint_whole(tx)
        if found != expected or facts.count_outside(tx, twin.span) or not twins.mark_proven(tx, twin.name):
            return False
        now = tools.database.now(tx)
        for archive_id, pieces in slices.items():
            for piece in pieces:
                marked = tools.journal.mark_purged(tx, archive_id, piece.number, now) if piece.unpurged else 0
                if marked != len(piece.unpurged):
                    raise ArchiveDamaged(f"The journal of {piece.window} changed while its rows were proven.")
    proof.tally.counts.update(rows_purged=found.rows, partitions_purged=1)
    tools.context.progress.advance("purged", found.rows)
    return True


def _look_up(proof: Proof, entry: JournaledWindow, pieces: Sequence[Slice]) -> None:
    """Every object that holds something unpurged, except where that has just been done."""
    since = proof.looked_up.get(entry.id, 0)
    new = [replace(p, unpurged=tuple(part for part in p.unpurged if part.generation >= since)) for p in pieces]
    prove_objects(proof.tools, entry, new)


def _archive_rest(proof: Proof, entry: JournaledWindow) -> bool:
    """Put what a window of the twin holds and the archive lacks; False where the twin lacks rows."""
    there = replace(proof.tools, facts=proof.facts)
    for _ in range(_ROUNDS):
        found = compare_window(there, entry)
        if found.vanished:
            return False
        with there.database.transaction() as tx:
            # Until here nobody else has proven the twin, whose rows would then have seemed new.
            there.context.lease.pass_fence(tx)
        if not found.new or deliver(there, entry, further(there, entry, found, proof.tally), proof.tally):
            return True
    return False
