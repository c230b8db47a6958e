"""The throttle of an export: no more rows in a second than the settings allow, and only within their hours.

Reading, counting and deleting each keep the pace for themselves. What takes its time uses up its share by that, and
what came late does not hurry afterwards: there is never a burst of more than one piece.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from threading import Event

from servicemanager.errors import ServiceManagerError
from servicemanager.iotdb.window import SECOND, Window

#: A piece is what may be touched within half a second, but not less than is worth a query.
_PIECE_SECONDS, _SMALLEST_PIECE = 0.5, 500


class HoursOver(ServiceManagerError):
    """The hours in which exports may work are over; the next run goes on from here."""

    retryable = True


class Work(StrEnum):
    """What is done to rows."""

    READ = "read"
    COUNT = "count"
    DELETE = "delete"


@dataclass
class Throttle:
    """Thread-safe as long as each kind of work is done by one thread at a time."""

    #: None where there is no limit.
    rows_per_second: int | None = None
    #: On `clock`; None where there is no end.
    closes_at: float | None = None
    #: Set when nobody wants to wait any longer.
    stop: Event = field(default_factory=Event)
    clock: Callable[[], float] = time.monotonic
    _turn: dict[Work, float] = field(default_factory=dict)

    @property
    def piece_rows(self) -> int | None:
        """Rows to be touched at once; None where there is no limit."""
        if self.rows_per_second is None:
            return None
        return max(_SMALLEST_PIECE, int(self.rows_per_second * _PIECE_SECONDS))

    def check(self, at: float | None = None) -> None:
        """Raise HoursOver where work would begin after the end of the hours; `at` is on `clock`, by default now."""
        if self.closes_at is not None and (self.clock() if at is None else at) >= self.closes_at:
            raise HoursOver("The hours of export.window are over: the next run goes on from here.")

    def check_room(self, what: str, seconds: float) -> None:
        """Raise HoursOver where `what` would not be done by the end of the hours, if it takes so long."""
        if self.closes_at is not None and self.clock() + seconds > self.closes_at:
            raise HoursOver(
                f"{what} would take about {seconds:,.0f} seconds, and the hours of export.window end before that: the "
                "next run goes on with it, or `servicemanager export --now` at once."
            )

    def before(self, work: Work, rows: int) -> None:
        """Wait until `rows` may be touched, or the stop event is set. Raises HoursOver, also instead of waiting."""
        now = self.clock()
        turn = max(self._turn.get(work, now), now)
        self.check(turn)
        if self.rows_per_second is not None:
            self._turn[work] = turn + rows / self.rows_per_second
        if turn > now:
            self.stop.wait(turn - now)


def pieces(window: Window, rows: int, most: int, snap: Callable[[datetime], datetime]) -> Iterator[tuple[Window, int]]:
    """`window`, which holds about so many `rows`, in pieces of equal time that hold about `most`, each with its rows.

    `snap` gives the instant, not later, at which the table can be cut.
    """
    parts = max(1, min(-(-rows // most), window.duration // SECOND))
    step = window.duration / parts
    cuts = (snap((window.start_at + step * number).replace(microsecond=0)) for number in range(1, parts))
    inside = sorted({cut for cut in cuts if window.start_at < cut < window.end_at})
    edges = [window.start_at, *inside, window.end_at]
    yield from ((Window(start, end), rows // (len(edges) - 1)) for start, end in pairwise(edges))
