"""What a plan asks the archive's store for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.parquet import Label
from servicemanager.export.planning import _named
from servicemanager.iotdb.window import Window

DAY = timedelta(days=1)
FIRST = date(2026, 5, 1)


class Counted(FolderStore):
    """Remembers what was listed."""

    def list(self, prefix):
        self.asked = [*getattr(self, "asked", []), prefix]
        return super().list(prefix)


@pytest.fixture
def store(tmp_path):
    made = Counted(tmp_path)
    for number in range(92):
        start = datetime(2026, 5, 1, 3, tzinfo=UTC) + number * DAY
        made.put_new(Label("", Window(start, start + DAY), FIRST + number * DAY, 0).key, b"", {})
    return made


def test_the_days_of_a_month_are_asked_for_at_once_and_only_those_wanted_are_told(store):
    wanted = [FIRST + number * DAY for number in range(20, 70, 2)]
    assert [name.creation_date for name in _named(store, wanted)] == wanted
    assert store.asked == [f"facts/creation_date=2026-0{month}-" for month in (5, 6, 7)]


def test_a_few_days_are_asked_for_one_by_one(store):
    wanted = [date(2026, 5, 31), date(2026, 6, 1), date(2026, 6, 2)]
    assert [name.creation_date for name in _named(store, wanted)] == wanted
    assert store.asked == [f"facts/creation_date={day}/" for day in wanted]
