"""The old CSV files: lines and names as the Node version wrote them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.parquet import Label
from servicemanager.export.legacy_csv import csv_lines, csv_name, put_csv
from servicemanager.iotdb.window import Window
from support.iotdb import MIDNIGHT, reading
from support.rows import to_table

ZONE = ZoneInfo("America/Sao_Paulo")
START = MIDNIGHT.replace(tzinfo=UTC)


@pytest.fixture
def store(tmp_path) -> FolderStore:
    return FolderStore(tmp_path)


def label(generation: int = 0, shift: timedelta = timedelta()) -> Label:
    window = Window(START + shift, START + shift + timedelta(hours=1))
    return Label("a-database", window, date(2026, 11, 20), generation)


def put(store, *rows, generation: int = 0, shift: timedelta = timedelta()) -> str:
    return put_csv(store, label(generation, shift), to_table(rows), ZONE)


def test_a_line_holds_the_columns_but_creation_date_parted_by_semicolons():
    # The event of a reading that arrives at 03:00 UTC was at local midnight.
    line = b"weight;2026;11;20;6;0;0;0;shop 1207;AA:BB:CC:00:00:01;1;42\n"
    assert csv_lines(to_table([reading(), reading()])) == line * 2
    assert csv_lines(to_table([])) == b""


def test_a_sensor_that_is_null_is_written_as_0_and_any_other_null_as_nothing():
    row = reading(sensor=None, device_group=None, data=None, channel=None)
    assert csv_lines(to_table([row])) == b";2026;11;20;6;0;0;0;;AA:BB:CC:00:00:01;0;\n"


def test_nothing_is_quoted_or_escaped():
    row = reading(channel='a "quoted"; \\ value', device="é😀\0", data=-1)
    assert csv_lines(to_table([row])).decode() == 'a "quoted"; \\ value;2026;11;20;6;0;0;0;shop 1207;é😀\0;1;-1\n'


def test_the_name_tells_the_local_time_without_leading_zeros():
    assert csv_name(datetime(2026, 3, 4, 5, 6, 7)) == "MECCANO-2026-3-4-5-6-7.CSV"


def test_a_file_is_put_under_the_local_time_of_the_windows_begin(store):
    assert put(store, reading()) == "MECCANO-2026-11-20-0-0-0.CSV"
    assert store.read("MECCANO-2026-11-20-0-0-0.CSV") == csv_lines(to_table([reading()]))


def test_a_file_that_an_earlier_attempt_has_put_is_not_put_again(store):
    assert put(store, reading()) == put(store, reading())
    assert len(list(store.list(""))) == 1


def test_a_further_generation_gets_a_name_of_its_own(store):
    names = [put(store, reading(data=n), generation=n) for n in range(3)]
    assert names == [f"MECCANO-2026-11-20-0-0-{second}.CSV" for second in range(3)]


def test_a_name_that_is_taken_by_other_content_moves_on_by_a_second(store):
    taken = [put(store, reading(data=n)) for n in range(3)]
    assert taken == [f"MECCANO-2026-11-20-0-0-{second}.CSV" for second in range(3)]
    assert put(store, reading(data=1)) == taken[1]
    assert len(list(store.list(""))) == 3
