"""The tables of moments: what the archive holds by local day, and what Facts holds besides, in packed blocks.

The blocks of a day count exactly the objects of that day which `sm_rollup_counted` lists: both are written in the
transaction that journals an object. Those of the source `live` can be thrown away at any time. A block is inserted or
deleted, never changed, and those of two writers differ in their sources, so neither waits for the other. Everything is
written within the caller's transaction, which the caller fences.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import NamedTuple

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.moment_blocks import Block, in_order, merge, pack, unpack
from servicemanager.iotdb.moment_columns import of_device, to_pairs
from servicemanager.iotdb.moments import Moments, Pair
from servicemanager.iotdb.tables import archive, archive_object, rollup_block, rollup_counted, rollup_remembered

#: Of the readings that only Facts holds, and of several objects that were counted together.
_LIVE, _TOGETHER = "live", "objects"
_ARCHIVED = rollup_block.c.source != _LIVE
#: Of how many sources the blocks of a day may be before they are put together.
MANY_SOURCES = 4
#: Blocks that are fetched at once.
_FETCHED = 16


@dataclass(frozen=True, order=True)
class Counted:
    """One generation of one window."""

    archive_id: int
    generation: int


@dataclass(frozen=True)
class Remembered:
    """What a day looked like when its readings that are not archived were last summed up."""

    facts_rows: int
    #: Of what the journal said about the day; see `statistics`.
    journal: str


class _Key(NamedTuple):
    """Of a block."""

    day: date
    source: str
    number: int


class Rollups:
    """Reads and writes the tables; see the module's docstring."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_objects(self, tx: sa.Connection, day: date, objects: Sequence[Counted], blocks: Iterable[Block]) -> None:
        """Add the moments of some objects of a day to the archive's.

        Where one was counted already, somebody has removed it from the journal by hand, and nobody can tell what it
        held: then the whole day is left to the next run of the statistics, which reads its objects.
        """
        known = self._listed(tx, day)
        if known.intersection(objects):
            self.clear_archived(tx, day)
            return
        for each in objects:
            tx.execute(rollup_counted.insert().values(archive_id=each.archive_id, generation=each.generation))
        source = f"{objects[0].archive_id}-g{objects[0].generation}" if len(objects) == 1 else _TOGETHER
        self._insert(tx, day, source, blocks)

    def clear_archived(self, tx: sa.Connection, day: date) -> None:
        """Count none of the day's objects, so that all of them can be counted anew."""
        windows = sa.select(archive.c.id).where(archive.c.creation_date == day).scalar_subquery()
        tx.execute(rollup_block.delete().where(rollup_block.c.day == day, _ARCHIVED))
        tx.execute(rollup_counted.delete().where(rollup_counted.c.archive_id.in_(windows)))

    def clear_strangers(self, tx: sa.Connection) -> None:
        """Count nothing any more where objects are counted that the journal does not know, as after it was lost.

        Nobody can tell of which days those were; the next run of the statistics reads what is then not counted.
        """
        known = sa.select(archive.c.id)
        strangers = sa.select(rollup_counted.c.archive_id).where(rollup_counted.c.archive_id.not_in(known)).limit(1)
        if tx.execute(strangers).first():
            tx.execute(rollup_block.delete().where(_ARCHIVED))
            tx.execute(rollup_counted.delete())

    def scattered(self, before: date) -> list[date]:
        """Days before a day whose archived readings are in blocks of many sources, with parts of the same pairs."""
        block = rollup_block.c
        query = sa.select(block.day).where(block.day < before, _ARCHIVED).group_by(block.day)
        with self._database.reading() as connection:
            many = query.having(sa.func.count(block.source.distinct()) > MANY_SOURCES)
            return sorted(connection.execute(many).scalars())

    def put_together(self, tx: sa.Connection, day: date) -> bool:
        """Merge the archived blocks of a day into those of one source; what an export adds meanwhile stays beside them.

        False where somebody cleared some of them meanwhile: then the caller must roll back.
        """
        keys = self._keys(tx, (rollup_block.c.day == day) & _ARCHIVED)
        # Those of one source were inserted in one transaction: whoever saw one of them saw them all.
        sources = {key.source for key in keys}
        first = 1 + max((key.number for key in keys if key.source == _TOGETHER), default=-1)
        self._insert(tx, day, _TOGETHER, chain.from_iterable(map(pack, merge(self._blocks(tx, keys)))), first)
        old = (rollup_block.c.source != _TOGETHER) | (rollup_block.c.number < first)
        doomed = rollup_block.delete().where(rollup_block.c.day == day, rollup_block.c.source.in_(sources), old)
        return tx.execute(doomed).rowcount == len(keys)

    def replace_live(self, tx: sa.Connection, day: date, blocks: Iterable[Block], seen: Remembered) -> None:
        """Remember the moments of what only Facts holds of a day, and what the day looked like."""
        tx.execute(rollup_block.delete().where(rollup_block.c.day == day, rollup_block.c.source == _LIVE))
        tx.execute(rollup_remembered.delete().where(rollup_remembered.c.day == day))
        self._insert(tx, day, _LIVE, blocks)
        tx.execute(rollup_remembered.insert().values(day=day, facts_rows=seen.facts_rows, journal=seen.journal))

    def forget(self, tx: sa.Connection, before: date | None = None) -> None:
        """Forget what Facts held, of all days or of those before a day: it is summed up anew when it is needed."""
        live = rollup_block.delete().where(rollup_block.c.source == _LIVE)
        seen = rollup_remembered.delete()
        tx.execute(live.where(rollup_block.c.day < before) if before else live)
        tx.execute(seen.where(rollup_remembered.c.day < before) if before else seen)

    def remembered(self) -> dict[date, Remembered]:
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(rollup_remembered))
            return {row.day: Remembered(row.facts_rows, row.journal) for row in rows}

    def miscounted(self) -> set[date]:
        """Days whose objects in the journal are not those that are counted: an earlier version archived them."""
        journaled = sa.select(archive_object.c.archive_id, archive_object.c.generation)
        counted = sa.select(rollup_counted.c.archive_id, rollup_counted.c.generation)
        with self._database.reading() as connection:
            ours, theirs = ({Counted(*row) for row in connection.execute(each)} for each in (journaled, counted))
            windows = connection.execute(sa.select(archive.c.id, archive.c.creation_date))
            days = {window.id: window.creation_date for window in windows}
        return {days[each.archive_id] for each in ours ^ theirs if each.archive_id in days}

    def merged(self, connection: sa.Connection, first: date | None, last: date) -> Iterator[tuple[Pair, Moments]]:
        """The moments of every pair from local day `first` to `last`, by device and sensor, as they arrive."""
        span = rollup_block.c.day <= last
        if first:
            span &= rollup_block.c.day >= first
        for table in merge(self._blocks(connection, self._keys(connection, span))):
            yield from to_pairs(table)

    def of_device(self, connection: sa.Connection, device: bytes, since: date) -> dict[date, dict[int, Moments]]:
        """The moments of each sensor of one device, by local day, from the day `since` on.

        What Facts alone holds counts as it was when the statistics were last made.
        """
        block = rollup_block.c
        query = sa.select(block.day, block.payload).where(
            block.day >= since, block.first_device <= device, block.last_device >= device
        )
        found = defaultdict[date, dict[int, Moments]](dict)
        for day, payload in connection.execute(query):
            for pair, moments in to_pairs(of_device(unpack(payload), device)):
                before = found[day].get(pair.sensor)
                found[day][pair.sensor] = before + moments if before else moments
        return {day: found[day] for day in sorted(found)}

    def _keys(self, connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[_Key]:
        """In the order of their first devices; without payloads, which a server might carry through its sorting."""
        block = rollup_block.c
        listed = sa.select(block.day, block.source, block.number).where(where).order_by(block.first_device)
        return [_Key(*row) for row in connection.execute(listed)]

    def _blocks(self, connection: sa.Connection, keys: list[_Key]) -> Iterator[Block]:
        """Those of `keys`, in the same order, fetched a few at a time."""
        block = rollup_block.c
        columns = sa.select(block.first_device, block.last_device, block.pairs, block.payload)
        for start in range(0, len(keys), _FETCHED):
            these = [
                (block.day == day) & (block.source == source) & (block.number == number)
                for day, source, number in keys[start : start + _FETCHED]
            ]
            yield from in_order(Block(*row) for row in connection.execute(columns.where(sa.or_(*these))))

    def _listed(self, tx: sa.Connection, day: date) -> set[Counted]:
        query = sa.select(rollup_counted.c.archive_id, rollup_counted.c.generation)
        query = query.join(archive, archive.c.id == rollup_counted.c.archive_id).where(archive.c.creation_date == day)
        return {Counted(*row) for row in tx.execute(query)}

    def _insert(self, tx: sa.Connection, day: date, source: str, blocks: Iterable[Block], first: int = 0) -> None:
        for number, block in enumerate(blocks, first):
            values = {
                "first_device": block.first_device,
                "last_device": block.last_device,
                "pairs": block.pairs,
                "payload": block.payload,
            }
            tx.execute(rollup_block.insert().values(day=day, source=source, number=number, **values))
