"""What is promised of the rows of objects and of days, and which of them a filter leaves. No row is looked at.

Arrow compares a filter with promises, and asks a third of a millisecond for ten of them. So whole months are compared
first, and then only what lies in months that the filter leaves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import fs

from servicemanager.archive.journal import Location
from servicemanager.iotdb.window import Calendar, Window

#: Local days before today that are told apart; what is older is one stretch.
_DAYS = 400
_DAY = timedelta(days=1)
_BEGINNING = datetime(1000, 1, 2, tzinfo=UTC)
_END = datetime(9999, 12, 30, tzinfo=UTC)
_NOWHERE = fs.LocalFileSystem()
_FORMAT = ds.ParquetFileFormat()


class Promising(Protocol):
    @property
    def promise(self) -> Any:
        """What is true of every row in it, as an Arrow expression."""


Part = TypeVar("Part", bound=Promising)


@dataclass(frozen=True)
class Piece:
    """A stretch of arrivals, and the local days in it; None is open."""

    window: Window
    first: date | None
    last: date | None

    @property
    def promise(self) -> Any:
        held = (pc.field("creationDate") >= self.window.start_at) & (pc.field("creationDate") < self.window.end_at)
        if self.first == self.last:  # then Arrow also knows the column's value
            return held & (pc.field("creation_date") == self.first)
        if self.first is not None:
            held &= pc.field("creation_date") >= self.first
        return held if self.last is None else held & (pc.field("creation_date") <= self.last)


@dataclass(frozen=True)
class Archived:
    """An object, as the journal knows it."""

    url: str
    day: date
    piece: Piece

    @property
    def promise(self) -> Any:
        return self.piece.promise


@dataclass(frozen=True)
class Month(Generic[Part]):
    """A piece, and the parts that it is divided into where a filter leaves only some of it."""

    piece: Piece
    parts: Callable[[], Sequence[Part]]

    @property
    def promise(self) -> Any:
        return self.piece.promise


def live_months(calendar: Calendar, today: date) -> list[Month[Piece]]:
    """All of time, in order: what is long past, months of days, and what a wrong clock may have dated after today."""
    first = today - _DAYS * _DAY
    starts = {first, today + _DAY} | {day for n in range(_DAYS) if (day := first + n * _DAY).day == 1}
    edges = [(day, calendar.start_of(day)) for day in sorted(starts)]
    past = Piece(Window(_BEGINNING, edges[0][1]), None, first - _DAY)
    future = Piece(Window(edges[-1][1], _END), today + _DAY, None)
    months = [
        Month(Piece(Window(start, end), begin, after - _DAY), partial(_days, calendar, begin, after))
        for (begin, start), (after, end) in pairwise(edges)
    ]
    return [_undivided(past), *months, _undivided(future)]


def _undivided(piece: Piece) -> Month[Piece]:
    return Month(piece, lambda: [piece])


def _days(calendar: Calendar, begin: date, after: date) -> list[Piece]:
    days = [begin + n * _DAY for n in range((after - begin).days)]
    return [Piece(calendar.day(day), day, day) for day in days]


def archived_months(locations: Iterable[Location]) -> list[Month[Archived]]:
    """The objects, by the month of their day, oldest first."""
    months: dict[tuple[int, int], list[Archived]] = defaultdict(list)
    for each in locations:
        piece = Piece(each.window, each.creation_date, each.creation_date)
        months[each.creation_date.year, each.creation_date.month].append(Archived(each.url, each.creation_date, piece))
    return [Month(_hull(months[key]), partial(months.__getitem__, key)) for key in sorted(months)]


def _hull(objects: Sequence[Archived]) -> Piece:
    windows, days = [each.piece.window for each in objects], [each.day for each in objects]
    window = Window(min(each.start_at for each in windows), max(each.end_at for each in windows))
    return Piece(window, min(days), max(days))


@dataclass(frozen=True)
class Asked:
    """The rows that are asked for, as a filter over `schema`; None for all."""

    rows: Any
    schema: pa.Schema

    def days(self, months: Sequence[Month[Piece]]) -> list[Piece]:
        """The pieces that may hold such rows; a month of which all rows are asked for is one."""
        found: list[Piece] = []
        for month, whole in self.left(months):
            found += [month.piece] if whole else [piece for piece, _ in self.left(month.parts())]
        return found

    def objects(self, months: Sequence[Month[Archived]]) -> list[tuple[Archived, bool]]:
        """The objects that may hold such rows, and whether all rows of each are asked for."""
        found: list[tuple[Archived, bool]] = []
        for month, whole in self.left(months):
            found += [(each, True) for each in month.parts()] if whole else self.left(month.parts())
        return found

    def left(self, parts: Sequence[Part]) -> list[tuple[Part, bool]]:
        """Parts whose promise does not contradict the filter, and whether it contradicts the filter's opposite."""
        if self.rows is None:
            return [(part, True) for part in parts]
        kept = self._consistent(parts, self.rows)
        some = set(map(id, self._consistent(kept, ~self.rows)))
        return [(part, id(part) not in some) for part in kept]

    def _consistent(self, parts: Sequence[Part], rows: Any) -> list[Part]:
        """By a dataset of names that Arrow never opens."""
        fragments = [
            _FORMAT.make_fragment(str(number), filesystem=_NOWHERE, partition_expression=part.promise)
            for number, part in enumerate(parts)
        ]
        dataset = ds.FileSystemDataset(fragments, self.schema, _FORMAT, _NOWHERE)
        return [parts[int(fragment.path)] for fragment in dataset.get_fragments(rows)]
