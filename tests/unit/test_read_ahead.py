"""Which windows are read by one query."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from servicemanager.export.plan import Action, PlannedWindow
from servicemanager.export.read_ahead import batches_of
from servicemanager.iotdb.window import EPOCH, Window

HOUR = timedelta(hours=1)


def planned(hour: int, rows: int) -> PlannedWindow:
    start = EPOCH + hour * HOUR
    return PlannedWindow(Window(start, start + HOUR), start.date(), rows, Action.ARCHIVE)


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 12)), st.integers(1, 20))
def test_windows_without_a_gap_are_read_together_up_to_a_number_of_rows(rows_by_hour, limit):
    windows = [planned(hour, rows) for hour, rows in sorted(rows_by_hour.items())]
    batches = list(batches_of(windows, limit))
    assert [each for batch in batches for each in batch] == windows
    for batch in batches:
        assert all(before.window.end_at == after.window.start_at for before, after in pairwise(batch))
        assert len(batch) == 1 or sum(each.rows for each in batch) <= limit
    for before, after in pairwise(batches):
        together = sum(each.rows for each in (*before, after[0]))
        assert before[-1].window.end_at != after[0].window.start_at or together > limit
