"""Windows of arrival time, and the local days they lie in.

A window is half open and named by its UTC instants, so a changed time zone cuts nothing anew.
All instants here are aware, in UTC, and whole seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, order=True)
class Window:
    """Rows with ``start_at <= creationDate < end_at``."""

    start_at: datetime
    end_at: datetime

    def __str__(self) -> str:
        return f"{compact(self.start_at)}-{compact(self.end_at)}"

    def __contains__(self, instant: datetime) -> bool:
        return self.start_at <= instant < self.end_at

    @property
    def duration(self) -> timedelta:
        return self.end_at - self.start_at

    def overlaps(self, other: Window) -> bool:
        return self.start_at < other.end_at and other.start_at < self.end_at

    def covers(self, other: Window) -> bool:
        return self.start_at <= other.start_at and other.end_at <= self.end_at


@dataclass(frozen=True)
class Calendar:
    """Local days of one zone as windows of UTC.

    A day begins at the first instant of its date: where a daylight-saving change skips midnight, at the
    end of the gap; where one repeats midnight, at the first of the two.
    """

    zone: ZoneInfo
    #: Moves an instant to one, not later, at which the table can be cut; see `stored`.
    snap: Callable[[datetime], datetime] = lambda instant: instant

    def start_of(self, day: date) -> datetime:
        """The first instant of the local `day`, in UTC."""
        return self.snap(self._first_instant(day))

    def day_of(self, instant: datetime) -> date:
        """The local day whose window holds `instant`."""
        day = instant.astimezone(self.zone).date()
        # After a change that repeats the minutes around midnight the clock shows yesterday's date again.
        return day + timedelta(days=1) if instant >= self.start_of(day + timedelta(days=1)) else day

    def day(self, day: date) -> Window:
        return Window(self.start_of(day), self.start_of(day + timedelta(days=1)))

    def days(self, span: Window) -> Iterator[tuple[date, Window]]:
        """Every local day that `span` touches, oldest first, with its whole window."""
        day = self.day_of(span.start_at)
        while self.start_of(day) < span.end_at:
            yield day, self.day(day)
            day += timedelta(days=1)

    def cutoff(self, now: datetime, days: int) -> datetime:
        """Local midnight of the day ``days - 1`` days ago: what arrived before it is due."""
        return self.start_of(self.day_of(now) - timedelta(days=days - 1))

    def _first_instant(self, day: date) -> datetime:
        midnight = datetime.combine(day, time(), tzinfo=self.zone)
        instant = midnight.astimezone(UTC)
        if instant.astimezone(self.zone).date() == day and not in_gap(midnight):
            return instant
        return end_of_gap(instant, self.zone)


def compact(instant: datetime) -> str:
    """ISO 8601 basic format, as in object names: 20261120T030000Z."""
    utc = instant.astimezone(UTC)
    # strftime does not fill years before 1000 with zeros everywhere.
    return f"{utc.year:04}{utc:%m%dT%H%M%SZ}"


def parse_compact(text: str) -> datetime:
    """The reverse of `compact`; raises ValueError."""
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def from_epoch(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def to_epoch(instant: datetime) -> int:
    """Whole seconds since 1970, rounded down."""
    return (instant - EPOCH) // SECOND


def in_gap(local: datetime) -> bool:
    """Whether the wall time `local` was skipped by its zone (PEP 495)."""
    back = local.astimezone(UTC).astimezone(local.tzinfo)
    return back.replace(tzinfo=None, fold=0) != local.replace(tzinfo=None, fold=0)


def end_of_gap(near: datetime, zone: ZoneInfo) -> datetime:
    """The instant within a day of `near` at which `zone` skips wall time, by bisection to the second."""
    low, high = near - timedelta(days=1), near + timedelta(days=1)
    before = low.astimezone(zone).utcoffset()
    while high - low > SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
