"""Cron patterns as Debian's cron reads them, in a zone; pure.

Clocks that change: a job at a fixed time that the spring night skips runs right after the gap, and one that the autumn
night offers twice runs the first time only. A pattern whose minute or hour begins with a star goes by elapsed time: it
skips nothing and repeats nothing. (man 8 cron, "NOTES"; cronsim does the arithmetic.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim

#: A pattern such as "0 2 * * 1-5" has firings one day and three days apart: so many tell its longest gap.
_LOOKED_AT = 8
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Schedule:
    """A checked pattern of five fields. Instants come and go in UTC."""

    pattern: str
    zone: ZoneInfo

    def next_after(self, instant: datetime) -> datetime | None:
        """The first firing later than `instant`; None where there is none in fifty years."""
        return next((firing for firing in self._walk(instant, reverse=False) if firing > instant), None)

    def last_until(self, instant: datetime) -> datetime | None:
        """The latest firing that is not later than `instant`."""
        # Backwards a walk leaves its first instant out, and may begin beyond an hour that the clocks repeat.
        walk = self._walk(instant + timedelta(hours=3), reverse=True)
        return next((firing for firing in walk if firing <= instant), None)

    def period_at(self, instant: datetime) -> timedelta | None:
        """The longest time between two neighbours among the last firings; None where there were fewer than two."""
        firings = list(islice((f for f in self._walk(instant + _SECOND, reverse=True) if f <= instant), _LOOKED_AT))
        return max((later - earlier for later, earlier in pairwise(firings)), default=None)

    def _walk(self, instant: datetime, *, reverse: bool) -> Iterator[datetime]:
        for firing in CronSim(self.pattern, instant.astimezone(self.zone), reverse=reverse):
            yield firing.astimezone(UTC)
