"""The work on each window of a plan: archive, reconcile, purge; and what to do where a window is in trouble.

Trouble with one window is put down and the next one is taken; what concerns them all ends the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum, auto

import pyarrow as pa

from servicemanager.archive.journal import ArchivedObject, JournaledWindow
from servicemanager.archive.parquet import Label, read_object
from servicemanager.archive.proof import sha256
from servicemanager.errors import ArchiveDamaged, ArchiveRefused, ObjectCold, ObjectExists
from servicemanager.export import legacy_csv
from servicemanager.export.pace import HoursOver
from servicemanager.export.plan import Action, ExportPlan, PlannedPartition, PlannedWindow, Purge
from servicemanager.export.purge import prove_objects, purge_slices, slices_of
from servicemanager.export.read_ahead import Reading, read_ahead, read_window
from servicemanager.export.reconcile import Differences, compare_window
from servicemanager.export.seal import Sealed, adopt, seal_rows, seal_window
from servicemanager.export.tools import Tools
from servicemanager.iotdb.fingerprint import EMPTY, Fingerprint
from servicemanager.iotdb.moment_blocks import pack
from servicemanager.iotdb.rollups import Counted
from servicemanager.iotdb.window import Window

#: How often a window is compared again while rows keep arriving in it.
_ROUNDS = 3
_TROUBLE = (ArchiveDamaged, ArchiveRefused, ObjectCold)
#: Whether a partition, all of whose windows are archived, has left Facts; else its rows are still there.
Detach = Callable[[PlannedPartition], bool]


@dataclass
class Tally:
    """What a run has done so far."""

    counts: Counter[str]
    problems: list[str]
    notices: list[str]


def execute(tools: Tools, plan: ExportPlan, tally: Tally, detach: Detach) -> None:
    progress = tools.context.progress
    progress.expect("archived", sum(p.rows for p in plan.windows if p.action is not Action.PURGE))
    progress.expect("purged", plan.rows if plan.purge is Purge.YES else 0)
    left = {planned.window: planned.rows for planned in plan.windows}
    try:
        archived = _execute(tools, plan, tally, left)
        for partition in plan.partitions:
            entries = [entry for entry in archived if partition.span.covers(entry.window)]
            whole = len(entries) == sum(partition.span.covers(planned.window) for planned in plan.windows)
            _leave(tools, partition, entries, tally, detach if whole else _stays)
            left = {window: rows for window, rows in left.items() if not partition.span.covers(window)}
    except HoursOver as over:
        tally.counts.update(rows_left=sum(left.values()))
        tally.notices.append(str(over))


def _execute(tools: Tools, plan: ExportPlan, tally: Tally, left: dict[Window, int]) -> list[JournaledWindow]:
    """The windows that are archived; of those, the rows of whole partitions are still in Facts.

    What is read ahead keeps the table in use, so none could leave it before. `left` are the rows of each window that
    is not done yet.
    """
    progress = tools.context.progress
    journaled, archived = _journaled(tools, plan), []
    new, purge = [p for p in plan.windows if p.action is Action.ARCHIVE], plan.purge is Purge.YES
    with closing(read_ahead(tools, new, purge=purge)) as readings:
        for planned, entry in journaled:
            tools.throttle.check()
            tools.context.checkpoint()
            reading = next(readings) if planned.action is Action.ARCHIVE else None
            partition = plan.partition_of(planned.window)
            with _going_on(tools, planned.window, tally):
                settled = _archive(tools, planned.action, entry, reading, tally)
                if partition:
                    _reconciled(tools, entry, settled, tally)
                else:
                    _settle(tools, entry, settled, tally, purge=purge)
                archived.append(entry)
                progress.say("window done", window=str(planned.window), rows=planned.rows, action=planned.action.value)
            if not partition:
                del left[planned.window]
    return archived


def _leave(
    tools: Tools, partition: PlannedPartition, entries: list[JournaledWindow], tally: Tally, detach: Detach
) -> None:
    """Let a partition's rows leave Facts: together or, where that can't be, one by one."""
    tools.context.checkpoint()
    with _going_on(tools, partition.span, tally):
        if detach(partition):
            return
    for entry in entries:
        tools.context.checkpoint()
        with _going_on(tools, entry.window, tally):
            _purge(tools, entry, {}, tally)


def _stays(_: PlannedPartition) -> bool:
    return False


@contextmanager
def _going_on(tools: Tools, window: Window, tally: Tally) -> Iterator[None]:
    """Put trouble with one window down, and go on after it."""
    try:
        yield
    except _TROUBLE as error:
        if str(error) not in tally.problems:
            tally.problems.append(str(error))
        tools.context.progress.say("window failed", window=str(window), error=str(error))


def _journaled(tools: Tools, plan: ExportPlan) -> list[tuple[PlannedWindow, JournaledWindow]]:
    """Journal what is new, in one transaction, before any of it is touched."""
    new = [(planned.window, planned.creation_date) for planned in plan.windows if planned.journaled is None]
    if new:
        tools.context.checkpoint()
        with tools.database.transaction() as tx:
            tools.context.lease.pass_fence(tx)
            tools.journal.plan(tx, new, tools.database.now(tx))
    entries = {entry.window: entry for entry in tools.journal.windows()}
    return [(planned, entries[planned.window]) for planned in plan.windows]


class Settled(Enum):
    """What is known of a window after it was archived as far as the journal and the plan could tell."""

    NO_ROWS = auto()
    AGREED = auto()  # database and archive were just found to hold the same rows, or as many
    UNKNOWN = auto()  # the archive holds rows of it, but which ones was not compared with the database


def _archive(tools: Tools, action: Action, entry: JournaledWindow, reading: Reading | None, tally: Tally) -> Settled:
    """Seal and put the window's first object, or take the one that an earlier run put."""
    if action is Action.PURGE:
        return Settled.AGREED
    if action is Action.RECONCILE:
        return Settled.UNKNOWN
    label = Label(tools.uuid, entry.window, entry.creation_date, 0)
    if action is Action.RESUME and tools.stores.current.stat(label.key):
        _record(tools, entry, adopt(tools, label, tools.stores.current.read(label.key)), tally)
        return Settled.UNKNOWN
    sealed = seal_window(tools, label, reading or read_window(tools, label.window))
    if sealed is None:
        return Settled.NO_ROWS
    return Settled.AGREED if deliver(tools, entry, sealed, tally) else Settled.UNKNOWN


def _settle(tools: Tools, entry: JournaledWindow, settled: Settled, tally: Tally, *, purge: bool) -> None:
    """Archive what the archive lacks, and purge where that is asked."""
    if settled is Settled.NO_ROWS:
        return
    known = _reconciled(tools, entry, settled, tally)
    if purge:
        _purge(tools, entry, known, tally)
    else:
        _note_gone(tools, entry, known)


def _reconciled(tools: Tools, entry: JournaledWindow, settled: Settled, tally: Tally) -> Mapping[int, Fingerprint]:
    return _reconcile(tools, entry, tally) if settled is Settled.UNKNOWN else {}


def deliver(tools: Tools, entry: JournaledWindow, sealed: Sealed, tally: Tally) -> bool:
    """Put and journal; False when another object was there, which then is journaled for what it holds."""
    tools.context.checkpoint()
    store, label = tools.stores.current, sealed.label
    try:
        store.put_new(label.key, sealed.body, label.to_metadata())
    except ObjectExists:
        pieces = slices_of(tools.journal.parts(entry.id))
        adopted = adopt(tools, label, store.read(label.key), [(piece.number, piece.window) for piece in pieces])
        _record(tools, entry, adopted, tally)
        return adopted.parts == sealed.parts
    _record(tools, entry, sealed, tally)
    return True


def _record(tools: Tools, entry: JournaledWindow, sealed: Sealed, tally: Tally) -> None:
    label, url = sealed.label, tools.stores.current.url_of(sealed.label.key)
    assert label.fingerprint is not None  # noqa: S101 -- sealing filled it in
    if tools.csv:
        legacy_csv.put_csv(tools.stores.current, label, _rows(sealed), tools.zone)
    blocks = list(pack(sealed.moments))
    tools.context.checkpoint()
    with tools.database.transaction() as tx:
        tools.context.lease.pass_fence(tx)
        now = tools.database.now(tx)
        found = ArchivedObject(label.generation, url, len(sealed.body), sha256(sealed.body), label.fingerprint, now)
        tools.journal.record(tx, entry.id, found, sealed.parts)
        counted = [Counted(entry.id, label.generation)]
        tools.rollups.count_objects(tx, entry.creation_date, counted, blocks)
    tally.counts.update(objects=1, bytes=len(sealed.body), rows_archived=label.fingerprint.rows)
    tools.context.progress.advance("archived", label.fingerprint.rows)


def _rows(sealed: Sealed) -> pa.Table:
    return read_object(sealed.body, sealed.label.key).rows


def _reconcile(tools: Tools, entry: JournaledWindow, tally: Tally) -> Mapping[int, Fingerprint]:
    """Archive what the archive lacks of this window; what was found is all archived when this returns."""
    for _ in range(_ROUNDS):
        found = compare_window(tools, entry)
        if not found.new or deliver(tools, entry, further(tools, entry, found, tally), tally):
            _report_vanished(entry, found, tally)
            return found.known
    raise ArchiveDamaged(f"Other objects keep appearing in {entry.window}: is another program writing there?")


def further(tools: Tools, entry: JournaledWindow, found: Differences, tally: Tally) -> Sealed:
    """A further generation, of the rows that the archive lacks."""
    label = Label(tools.uuid, entry.window, entry.creation_date, found.generation)
    slices = [(piece.number, piece.window) for piece in found.slices]
    tally.counts.update(rows_late=sum(rows.num_rows for rows in found.new))
    return seal_rows(tools, label, pa.concat_tables(found.new), slices)


def _report_vanished(entry: JournaledWindow, found: Differences, tally: Tally) -> None:
    if found.vanished:
        tally.counts.update(rows_only_archived=found.vanished)
        tally.notices.append(
            f"{found.vanished} rows of {entry.window} stand only in the archive: somebody else deleted them from Facts."
        )


def _note_gone(tools: Tools, entry: JournaledWindow, known: Mapping[int, Fingerprint]) -> None:
    """Slices that somebody else emptied count as purged, so that what arrives there later is new."""
    gone = [piece for piece in slices_of(tools.journal.parts(entry.id)) if known.get(piece.number) == EMPTY]
    purge_slices(tools, entry, gone, known)


def _purge(tools: Tools, entry: JournaledWindow, known: Mapping[int, Fingerprint], tally: Tally) -> None:
    for _ in range(_ROUNDS):
        slices = slices_of(tools.journal.parts(entry.id))
        prove_objects(tools, entry, slices)
        deleted, differing = purge_slices(tools, entry, slices, known)
        tally.counts.update(rows_purged=deleted)
        if not differing:
            return
        known = _reconcile(tools, entry, tally)
    raise ArchiveDamaged(f"Rows keep arriving in {entry.window}: the next run goes on with it.")
