"""Facts and a journal for plans, from plain numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from servicemanager.archive.journal import JournaledWindow
from servicemanager.iotdb.facts import Bucket
from servicemanager.iotdb.stored import StoredTime, UtcTime
from servicemanager.iotdb.window import Window

from .rows import EPOCH, micros, moment


@dataclass
class CountedFacts:
    """Counts rows as `Facts` does, from numbers by stored second."""

    rows: Mapping[datetime, int]
    time: StoredTime = field(default_factory=UtcTime)
    asked: list[tuple[Window | None, timedelta]] = field(default_factory=list)

    def counts(self, span: Window | None, until: datetime, step: timedelta) -> list[Bucket]:
        self.asked.append((span, step))
        found: Counter = Counter()
        start = self.time.to_stored(span.start_at) if span else datetime.min  # noqa: DTZ901 -- stored
        end = self.time.to_stored(span.end_at if span else until)
        for stored, rows in self.rows.items():
            if start <= stored < end:
                found[(stored - EPOCH) // step] += rows
        begins = [EPOCH + number * step for number in sorted(found)]
        return [Bucket(self.time.to_window(b, b + step), found[(b - EPOCH) // step]) for b in begins]

    def instants(self) -> dict[datetime, int]:
        """Rows by the instant that stands in the archive."""
        found: Counter = Counter()
        for stored, rows in self.rows.items():
            (us,) = self.time.to_utc(np.array([micros(stored)], np.int64))
            found[moment(int(us)).replace(tzinfo=UTC)] += rows
        return found


def rows_in(facts: CountedFacts, window: Window) -> int:
    return sum(rows for instant, rows in facts.instants().items() if instant in window)


def journaled(window: Window, number: int = 1, generations: int = 1, due_rows: int = 0) -> JournaledWindow:
    return JournaledWindow(number, window, window.start_at.date(), generations, due_rows)
