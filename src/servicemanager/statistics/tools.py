"""What the steps of a statistics run work with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from servicemanager.archive.journal import Journal
from servicemanager.archive.proof import Stores
from servicemanager.config import Guard
from servicemanager.errors import ServiceManagerError
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.rollups import Rollups
from servicemanager.iotdb.window import Calendar
from servicemanager.jobs.job import JobContext

_DAY = timedelta(days=1)


class Moved(ServiceManagerError):
    """An export journaled something in between: what was read belongs to two moments. Nothing was changed."""

    retryable = True


@dataclass(frozen=True)
class Wishes:
    """What settings and command line ask for."""

    #: Local days, today included; 0 is all of them.
    days: int
    sigmas: float = 6.0
    guard: Guard = Guard.WITHHOLD
    #: Compute everything anew, from the archive and Facts.
    rebuild: bool = False
    #: Publish even where the table would shrink by more than half, or objects could not be counted.
    force: bool = False


@dataclass(frozen=True)
class Span:
    """The local days that statistics are made of."""

    #: None where there is no first one.
    first: date | None
    today: date

    @classmethod
    def of(cls, today: date, days: int) -> Span:
        return cls(today - (days - 1) * _DAY if days else None, today)

    def __contains__(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and day <= self.today

    def days(self) -> Iterator[date]:
        """Each of them; none where there is no first one."""
        day = self.first
        while day and day <= self.today:
            yield day
            day += _DAY


@dataclass(frozen=True)
class Tools:
    """Ports and settings of one run."""

    database: Database
    facts: Facts
    calendar: Calendar
    journal: Journal
    #: None where no bucket is configured.
    stores: Stores | None
    rollups: Rollups
    wishes: Wishes
    span: Span
    context: JobContext
