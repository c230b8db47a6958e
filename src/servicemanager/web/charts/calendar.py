"""The archive's days as a calendar: weeks as columns, and how many rows a day holds as one of four shades."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from servicemanager.web.documents.archive import ArchiveDay

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LEVELS = 4
_WEEK = len(WEEKDAYS)


@dataclass(frozen=True, slots=True)
class Cell:
    """One day; `level` is 0 where it holds no rows, else 1 to 4. Outside of the calendar `day` is None."""

    day: date | None
    entry: ArchiveDay | None = None
    level: int = 0


@dataclass(frozen=True, slots=True)
class Month:
    """A label above as many weeks as begin in the month."""

    first: date
    weeks: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """Seven rows, Monday first, all of the same length; above what numbers of rows a shade begins."""

    months: tuple[Month, ...]
    rows: tuple[tuple[Cell, ...], ...]
    bounds: tuple[int, ...]


def calendar(days: Sequence[ArchiveDay], first: date, last: date) -> Calendar:
    """Of the days from `first` to `last`, whole weeks; shades by the quartiles of the days that hold rows."""
    known = {day.day: day for day in days if first <= day.day <= last}
    bounds = quartiles([day.rows for day in known.values()])
    monday = first - timedelta(days=first.weekday())
    weeks = [monday + timedelta(days=_WEEK * number) for number in range((last - monday).days // _WEEK + 1)]
    rows = tuple(
        tuple(_cell(week + timedelta(days=weekday), first, last, known, bounds) for week in weeks)
        for weekday in range(_WEEK)
    )
    months = [list(its) for _, its in groupby(weeks, key=lambda week: max(week, first).replace(day=1))]
    return Calendar(tuple(Month(max(its[0], first), len(its)) for its in months), rows, bounds)


def _cell(day: date, first: date, last: date, known: dict[date, ArchiveDay], bounds: Sequence[int]) -> Cell:
    if not first <= day <= last:
        return Cell(None)
    entry = known.get(day)
    return Cell(day, entry, level_of(entry.rows, bounds) if entry else 0)


def quartiles(rows: Sequence[int]) -> tuple[int, ...]:
    """The three numbers up to which a day belongs to the first, second and third quarter of those with rows."""
    ordered = sorted(count for count in rows if count)
    return tuple(ordered[(len(ordered) - 1) * quarter // LEVELS] for quarter in range(1, LEVELS)) if ordered else ()


def level_of(rows: int, bounds: Sequence[int]) -> int:
    return bisect_left(bounds, rows) + 1 if rows else 0


@dataclass(frozen=True, slots=True)
class Year:
    """What the archive holds of one year."""

    year: int
    days: int
    rows: int
    size: int
    objects: int
    purged: int
    verified: int


def years(days: Sequence[ArchiveDay]) -> tuple[Year, ...]:
    """The newest first."""
    grouped = groupby(sorted(days, key=lambda day: day.day), key=lambda day: day.day.year)
    return tuple(_year(year, list(its)) for year, its in grouped)[::-1]


def _year(year: int, days: Sequence[ArchiveDay]) -> Year:
    return Year(
        year,
        len(days),
        sum(day.rows for day in days),
        sum(day.size for day in days),
        sum(day.objects for day in days),
        sum(day.state == "purged" for day in days),
        sum(day.verified_at is not None for day in days),
    )
