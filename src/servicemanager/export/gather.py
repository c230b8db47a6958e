"""Rows as they come, gathered into windows. Pure.

They mostly come in the order of their arrival, whether they are found by index or by a scan, for a table without a
primary key keeps them so. Nothing relies on that but memory: a window is handed out as soon as it has as many rows
as were counted, and whether those are all of them is for its seal to find out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from servicemanager.iotdb.columns import STORED


@dataclass
class Expected:
    """A window on the scale of STORED, how many rows it should have, and those that have come."""

    start: int
    end: int
    rows: int
    found: list[pa.Table] = field(default_factory=list)
    missing: int = 0

    def __post_init__(self) -> None:
        self.missing = self.rows

    def take(self, empty: pa.Table) -> pa.Table:
        """All that have come, in one piece; they are not kept here."""
        rows = pa.concat_tables([empty, *self.found]).unify_dictionaries()
        self.found.clear()
        return rows.combine_chunks()


def gather(
    tables: Iterable[pa.Table], windows: Sequence[Expected], empty: pa.Table, limit: int | None = None
) -> Iterator[pa.Table]:
    """The rows of each of `windows`, which are in order and disjoint; the last one when `tables` is used up.

    Ends early where more than `limit` rows would wait for earlier ones.
    """
    edges = np.array([edge for each in windows for edge in (each.start, each.end)], np.int64)
    done = waiting = 0
    for table in tables:
        waiting += _deal(table, windows, edges)
        while done < len(windows) - 1 and windows[done].missing <= 0:
            rows = windows[done].take(empty)
            waiting, done = waiting - rows.num_rows, done + 1
            yield rows
        if limit is not None and waiting > limit:
            return
    for each in windows[done:]:
        yield each.take(empty)


def _deal(table: pa.Table, windows: Sequence[Expected], edges: np.ndarray) -> int:
    """Give each window its rows; returns how many lay in one."""
    stored = table.column(STORED).to_numpy()
    number = np.searchsorted(edges, stored, side="right")
    dealt = 0
    for at in np.flatnonzero(np.bincount(number)).tolist():
        if at % 2:  # between a start and the end that follows
            inside = number == at
            rows = table if inside.all() else table.filter(pa.array(inside))
            windows[at // 2].found.append(rows)
            windows[at // 2].missing -= rows.num_rows
            dealt += rows.num_rows
    return dealt
