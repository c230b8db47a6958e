"""Adopt: this database takes over an archive, and its journal learns of the objects that it does not know.

For a database that was moved, restored from a backup, or made anew. What an object holds and the
database has no row of counts as purged; what both hold alike, as archived. Where a slice differs,
nobody can tell a late reading from one that was restored: it is said, and compared row by row at the
next export.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from servicemanager.archive import marker
from servicemanager.archive.journal import ArchivedObject, JournaledWindow, Part
from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.parquet import FOLDER, Label, Name, parse_key
from servicemanager.archive.proof import sha256
from servicemanager.errors import ArchiveRefused, ObjectMissing
from servicemanager.export.detach import settle_all
from servicemanager.export.purge import slices_of
from servicemanager.export.seal import Sealed, adopt
from servicemanager.export.tools import Tools
from servicemanager.export.work import Tally
from servicemanager.iotdb.engine import Database, database_uuid, write_meta
from servicemanager.iotdb.fingerprint import total
from servicemanager.iotdb.moment_blocks import pack
from servicemanager.iotdb.place import adopt_place
from servicemanager.iotdb.rollups import Counted


@dataclass
class Adoption:
    """What was learnt."""

    objects: int = 0
    rows: int = 0
    #: Sentences about what could not be decided.
    undecided: list[str] = field(default_factory=list)


def adopt_identity(database: Database, store: ObjectStore) -> str:
    """Take on the archive's name for its database, and this place; returns that name.

    Raises ArchiveRefused where this database has an archive of its own in its journal.
    """
    uuid = database_uuid(database)
    try:
        owner = marker.Marker.from_bytes(store.read(marker.KEY), store.url_of(marker.KEY)).database
    except ObjectMissing:
        owner = uuid
    with database.transaction() as tx:
        if owner != uuid:
            objects = tx.exec_driver_sql("SELECT COUNT(*) FROM sm_archive_object").scalar_one()
            if objects:
                raise ArchiveRefused(
                    f"This database has archived {objects} objects elsewhere as {uuid}, so it can't take over the "
                    f"archive at {store.url}, which is that of {owner}."
                )
            write_meta(tx, "database_uuid", owner)
        adopt_place(tx, database)
    return owner


def adopt_objects(tools: Tools) -> Adoption:
    """Journal every object of the archive that the journal does not know."""
    # What a backup was made in the middle of: rows that are in none of our objects would be taken for purged ones.
    settle_all(tools, Tally(tools.context.counts, [], []), purge=False)
    with tools.database.transaction() as tx:
        tools.context.lease.pass_fence(tx)
        tools.rollups.clear_strangers(tx)
    known = {found.url for _, found in tools.journal.catalogue()}
    found = Adoption()
    for window, group in groupby(_names(tools), key=lambda name: name.window):
        names = sorted(group, key=lambda name: name.generation)
        new = [name for name in names if tools.stores.current.url_of(_label(tools, name).key) not in known]
        if new:
            tools.context.checkpoint()
            entry = _entry(tools, names[0])
            for name in new:
                _learn(tools, entry, _label(tools, name), found)
            found.undecided += _undecided(tools, entry)
            tools.context.progress.say("window adopted", window=str(window), objects=len(new))
    return found


def _names(tools: Tools) -> Iterator[Name]:
    for stat in tools.stores.current.list(FOLDER):
        name = parse_key(stat.key)
        if name:
            yield name


def _label(tools: Tools, name: Name) -> Label:
    return Label(tools.uuid, name.window, name.creation_date, name.generation)


def _entry(tools: Tools, name: Name) -> JournaledWindow:
    """The window's entry in the journal, made where there is none."""
    for entry in tools.journal.windows(name.window):
        if entry.window == name.window:
            return entry
        raise ArchiveRefused(f"The archive's window {name.window} overlaps {entry.window}, which the journal knows.")
    with tools.database.transaction() as tx:
        tools.context.lease.pass_fence(tx)
        tools.journal.plan(tx, [(name.window, name.creation_date)], tools.database.now(tx))
    return next(entry for entry in tools.journal.windows(name.window) if entry.window == name.window)


def _learn(tools: Tools, entry: JournaledWindow, label: Label, found: Adoption) -> None:
    pieces = [(piece.number, piece.window) for piece in slices_of(tools.journal.parts(entry.id))]
    sealed = adopt(tools, label, tools.stores.current.read(label.key), pieces)
    assert sealed.label.fingerprint is not None  # noqa: S101 -- adopting filled it in
    parts, blocks = _with_purged(tools, sealed), list(pack(sealed.moments))
    tools.context.checkpoint()
    with tools.database.transaction() as tx:
        tools.context.lease.pass_fence(tx)
        now, url = tools.database.now(tx), tools.stores.current.url_of(label.key)
        archived = ArchivedObject(
            label.generation, url, len(sealed.body), sha256(sealed.body), sealed.label.fingerprint, now
        )
        tools.journal.record(tx, entry.id, archived, parts)
        counted = [Counted(entry.id, label.generation)]
        tools.rollups.count_objects(tx, entry.creation_date, counted, blocks)
    found.objects += 1
    found.rows += sealed.label.fingerprint.rows


def _with_purged(tools: Tools, sealed: Sealed) -> list[Part]:
    """Parts of which the database has no row any more are purged."""
    parts = []
    with tools.database.reading() as connection:
        now = tools.database.now(connection)
        counted = tools.facts.fingerprints(connection, [part.window for part in sealed.parts])
        for part, live in zip(sealed.parts, counted, strict=True):
            parts.append(part if live.rows else replace(part, purged_at=now))
    return parts


def _undecided(tools: Tools, entry: JournaledWindow) -> list[str]:
    sentences = []
    with tools.database.reading() as connection:
        pieces = slices_of(tools.journal.parts(entry.id))
        counted = tools.facts.fingerprints(connection, [piece.window for piece in pieces])
        for piece, live in zip(pieces, counted, strict=True):
            archived = total(part.fingerprint for part in piece.unpurged)
            if live.rows and live != archived:
                sentences.append(
                    f"{piece.window}: the database holds {live.rows} rows and the archive {archived.rows}; rows that "
                    "are alike are taken for the same reading, and the others are archived at the next export."
                )
    return sentences
