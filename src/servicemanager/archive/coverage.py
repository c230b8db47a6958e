"""What the journal says of a stretch of time: which rows of Facts the archive holds already."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from servicemanager.iotdb.fingerprint import Count, Fingerprint, total
from servicemanager.iotdb.tables import archive, archive_part
from servicemanager.iotdb.window import Window

#: No window is longer: it lies within one local day, which a change of the clock may prolong.
_LONGEST = timedelta(days=2)
_PART = archive_part.c
#: Made once: the statistics ask twice about each day.
_OVERLAPPING = (
    sa.select(
        *(_PART.archive_id, _PART.slice, _PART.generation, _PART.start_at, _PART.end_at),
        *(_PART.row_count, _PART.purged_at, _PART.fingerprint),
    )
    .join(archive, archive.c.id == _PART.archive_id)
    .where(archive.c.start_at > sa.bindparam("earliest"), archive.c.start_at < sa.bindparam("end"))
    .where(_PART.start_at < sa.bindparam("end"), _PART.end_at > sa.bindparam("begin"))
    .order_by(_PART.start_at, _PART.archive_id, _PART.slice, _PART.generation)
)


@dataclass(frozen=True)
class KeptSlice:
    """A slice whose rows the archive holds and Facts should hold still."""

    archive_id: int
    number: int
    window: Window
    #: Of the objects that hold them.
    generations: tuple[int, ...]
    count: Count

    @property
    def rows(self) -> int:
        return self.count.rows


@dataclass(frozen=True)
class Coverage:
    """The slices, in order, and a digest that is another one as soon as an object or a purge is journaled."""

    digest: str
    slices: tuple[KeptSlice, ...]


def coverage(connection: sa.Connection, span: Window) -> Coverage:
    """Of every slice that overlaps `span`."""
    bounds = {"begin": span.start_at, "end": span.end_at, "earliest": span.start_at - _LONGEST}
    rows = connection.execute(_OVERLAPPING, bounds).all()
    digest = hashlib.sha256(repr((span, [tuple(row)[:-1] for row in rows])).encode()).hexdigest()
    kept = [row for row in rows if row.purged_at is None and row.row_count]
    groups = groupby(kept, key=lambda row: (row.archive_id, row.slice, Window(row.start_at, row.end_at)))
    return Coverage(digest, tuple(_slice(*key, list(group)) for key, group in groups))


def _slice(archive_id: int, number: int, window: Window, rows: list[Any]) -> KeptSlice:
    held = total(Fingerprint.from_json(row.fingerprint) for row in rows)
    return KeptSlice(archive_id, number, window, tuple(row.generation for row in rows), held.count)
