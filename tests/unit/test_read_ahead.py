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
    rows = {each.window: each.rows for each in windows}
    batches = list(batches_of(windows, limit))
    assert [window for batch in batches for window in batch] == [each.window for each in windows]
    for batch in batches:
        assert all(before.end_at == after.start_at for before, after in pairwise(batch))
        assert len(batch) == 1 or sum(rows[window] for window in batch) <= limit
    for before, after in pairwise(batches):
        together = sum(rows[window] for window in (*before, after[0]))
        assert before[-1].end_at != after[0].start_at or together > limit
