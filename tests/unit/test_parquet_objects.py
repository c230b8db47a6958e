"""Objects of the archive: what they say of themselves, that damage shows, and that other programs can read them."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servicemanager.archive import parquet
from servicemanager.archive.folder import FolderStore
from servicemanager.archive.marker import KEY, Marker
from servicemanager.archive.objects import check_metadata
from servicemanager.archive.parquet import (
    FOLDER,
    LABEL,
    MAX_BYTES,
    Arranged,
    Content,
    Label,
    Name,
    day_folder,
    holds_exactly,
    parse_key,
    read_object,
    write_object,
)
from servicemanager.errors import ArchiveDamaged
from servicemanager.iotdb.columns import COLUMNS, INTEGERS, STRINGS
from servicemanager.iotdb.fingerprint import EMPTY, Fingerprint, fingerprint_rows
from servicemanager.iotdb.stored import UtcTime, WallTime
from servicemanager.iotdb.window import SECOND, Window
from support.iotdb import MIDNIGHT, reading
from support.rows import LONG_MAX, LONG_MIN, multiset, tables_of, to_rows, to_table

DATABASE = "6d1c6f0e-2f57-4a9f-9a2e-7f7b7f3c0001"
START = MIDNIGHT.replace(tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))
WALL = WallTime(ZoneInfo("America/Sao_Paulo"))
TIMES = {"timestamp": UtcTime(), "datetime": WALL}

whole_seconds = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(
    lambda d: d.replace(microsecond=0, tzinfo=UTC)
)
fingerprints = st.builds(
    Fingerprint,
    st.integers(0, 2_000_000),
    st.tuples(*[st.integers(0, 2_000_000)] * 13),
    st.tuples(*[st.integers(LONG_MIN * 2_000_000, LONG_MAX * 2_000_000)] * 13),
    st.integers(0, 2**32 * 2_000_000),
)
labels = st.builds(
    lambda start, length, shift, *rest: Label(
        DATABASE, Window(start, start + timedelta(seconds=length)), start.date() + timedelta(days=shift), *rest
    ),
    st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 28)).map(lambda d: d.replace(microsecond=0, tzinfo=UTC)),
    st.integers(1, 90_000),
    st.integers(-1, 1),
    st.integers(0, 10**6),
    fingerprints,
)


def some_rows(count: int = 30, start: datetime = MIDNIGHT) -> list[tuple]:
    """Of three boards with two sensors, in no order."""
    return [
        reading(start + timedelta(seconds=7 * n % 5), device=f"board {n % 3}", sensor=n % 2, data=7 * n % count)
        for n in range(count)
    ]


def make_object(rows: list[tuple], time=TIMES["timestamp"]) -> tuple[Label, bytes]:
    """An object that holds `rows`."""
    table, sink = to_table(rows), io.BytesIO()
    label = Label(DATABASE, WINDOW, date(2026, 11, 20), 0, fingerprint_rows(table))
    assert write_object(sink, Arranged(table, time), label) == hashlib.sha256(sink.getvalue()).hexdigest()
    return label, sink.getvalue()


@pytest.mark.parametrize("group_rows", [parquet.GROUP_ROWS, 10, 7])
@pytest.mark.parametrize("time", TIMES.values(), ids=TIMES)
def test_an_object_holds_exactly_the_rows_that_were_written_and_no_others(monkeypatch, time, group_rows):
    monkeypatch.setattr(parquet, "GROUP_ROWS", group_rows)
    rows = some_rows()
    _, body = make_object(rows, time)

    def holds(others: list[tuple]) -> bool:
        return holds_exactly(body, Arranged(to_table(others), time))

    assert holds(rows)
    for wrong in ([], rows[:-1], [*rows, rows[0]], [*rows[:-1], rows[0]]):
        assert not holds(wrong)
    for column in range(len(rows[0])):
        changed = list(rows[-1])
        changed[column] = (
            changed[column] * 2
            if isinstance(changed[column], str)
            else changed[column] + (timedelta(seconds=1) if column == len(rows[0]) - 1 else 1)
        )
        assert not holds([*rows[:-1], tuple(changed)])
    assert not holds_exactly(body[:-1], Arranged(to_table(rows), time))


# -- Labels and names -------------------------------------------------------------------------------------------


@given(labels)
def test_a_label_comes_back_from_metadata_as_it_was(label):
    assert Label.from_metadata(label.to_metadata()) == label


@given(labels)
def test_metadata_are_printable_ascii_below_the_two_kilobytes_of_s3(label):
    metadata = check_metadata(label.to_metadata())
    assert sum(len(name) + len(value) for name, value in metadata.items()) < 2048


@given(labels)
def test_a_key_names_day_window_and_generation(label):
    assert parse_key(label.key) == Name(label.creation_date, label.window, label.generation)
    assert label.key.startswith(day_folder(label.creation_date))


@given(whole_seconds)
@example(datetime(999, 6, 1, 10, tzinfo=UTC))
def test_a_key_of_any_year_can_be_read_back(start_at):
    label = Label(DATABASE, Window(start_at, start_at + SECOND), start_at.date(), 0)
    assert parse_key(label.key) == Name(label.creation_date, label.window, 0)


@pytest.mark.parametrize(
    "key",
    [
        "facts/creation_date=2026-11-20/",
        "facts/creation_date=2026-11-20/20261120T030000Z-20261121T030000Z.parquet",
        "facts/creation_date=2026-11-20/20261120T030000Z-20261121T030000Z-g-1.parquet",
        "facts/creation_date=2026-11-20/20261120T030000Z-20261121T030000Z-g0.parquet.tmp",
        "facts/creation_date=2026-13-20/20261120T030000Z-20261121T030000Z-g0.parquet",
        "facts/creation_date=2026-11-20/20261120T030000Z-20261121T250000Z-g0.parquet",
        "facts/creation_date=2026-11-20/x/20261120T030000Z-20261121T030000Z-g0.parquet",
        "other/creation_date=2026-11-20/20261120T030000Z-20261121T030000Z-g0.parquet",
        KEY,
        "",
    ],
)
def test_other_names_are_not_taken_for_ours(key):
    assert parse_key(key) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "7", "null", '{"start":1}', '{"fingerprint":{}}', "\0"])
def test_what_is_no_label_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 -- of any wording
        Label.from_metadata({LABEL: text})
    with pytest.raises(ValueError, match="no label"):
        Label.from_metadata({})


# -- Content ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", TIMES.values(), ids=TIMES)
@given(rows=tables_of(st.datetimes(datetime(1970, 1, 2), datetime(2037, 1, 1)), nullable=True))
def test_rows_come_back_as_they_were(time, rows):
    label, body = make_object(rows, time)
    content = read_object(body, "it")
    assert content.label == label
    assert multiset(content.rows) == multiset(to_table(rows))
    assert fingerprint_rows(content.rows) == label.fingerprint


@pytest.mark.parametrize("time", TIMES.values(), ids=TIMES)
def test_rows_lie_sorted_by_device_sensor_and_time(time):
    _, body = make_object(some_rows(), time)
    found = to_rows(read_object(body, "it").rows)
    device, sensor = COLUMNS.index("device"), COLUMNS.index("sensor")
    assert found == sorted(found, key=lambda row: (row[device], row[sensor], row[12]))
    assert len(found) == 30


def test_the_wall_time_of_an_old_column_is_kept_beside_the_instant():
    midnight_gap = datetime(2018, 11, 4, 0, 30)
    _, body = make_object([reading(midnight_gap)], WALL)
    table = read_object(body, "it").table
    assert table["creationDate_local"].to_pylist() == [midnight_gap]
    assert table["creationDate"].to_pylist() == [datetime(2018, 11, 4, 2, 59, 59, 999_999, tzinfo=UTC)]


def test_an_object_without_rows_is_readable():
    label, body = make_object([])
    assert read_object(body, "it").rows.num_rows == 0
    assert label.fingerprint == EMPTY


def test_the_pages_carry_checksums_and_the_footer_the_label():
    label, body = make_object(some_rows())
    file = pq.ParquetFile(io.BytesIO(body), page_checksum_verification=True)
    assert file.metadata.metadata[LABEL.encode()].decode() == label.to_metadata()[LABEL]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_quarter_of_a_million_rows_stay_far_below_one_conditional_put():
    row = reading(device="é" * 20, channel="😀" * 50)
    rows = [(*row[:11], n * 7919, MIDNIGHT + timedelta(seconds=n % 86_400)) for n in range(20_000)]
    _, body = make_object(rows)
    assert len(body) * 12.5 < MAX_BYTES


# -- Damage -----------------------------------------------------------------------------------------------------


def is_whole(found: Content, label: Label) -> bool:
    """What adopt and verify ask of an object, its checksum apart."""
    inside = all(instant in label.window for instant in found.table["creationDate"].to_pylist())
    return found.label == label and fingerprint_rows(found.rows) == label.fingerprint and inside


@pytest.mark.parametrize("time", TIMES.values(), ids=TIMES)
@given(position=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_changes_no_row(time, position, change):
    label, body = make_object(some_rows(start=MIDNIGHT + timedelta(hours=9)), time)
    damaged = bytearray(body)
    damaged[int(position * len(body))] ^= change
    try:
        found = read_object(bytes(damaged), "it")
    except ArchiveDamaged:
        return
    assert found.table.equals(read_object(body, "it").table) or not is_whole(found, label)


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.99])
def test_a_cut_off_object_is_damaged(share):
    _, body = make_object(some_rows())
    with pytest.raises(ArchiveDamaged, match="facts/x can't be read"):
        read_object(body[: int(share * len(body))], "facts/x")


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda middle: b"PAR1" + middle + b"PAR1"))
def test_anything_else_is_damaged(body):
    with pytest.raises(ArchiveDamaged):
        read_object(body, "it")


def foreign_parquet(table: pa.Table, label: Label | None = None) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(label.to_metadata() if label else {}), sink)
    return sink.getvalue()


def test_somebody_elses_parquet_file_is_none_of_ours():
    label, body = make_object(some_rows())
    table = read_object(body, "it").table
    for other in (
        foreign_parquet(table),
        foreign_parquet(table.drop_columns(["sensor"]), label),
        foreign_parquet(table.rename_columns([*COLUMNS, "created"]), label),
        foreign_parquet(pa.table({"a": [1]}), label),
    ):
        with pytest.raises(ArchiveDamaged):
            read_object(other, "it")


# -- Other readers ----------------------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path):
    """A folder with a marker and an object."""
    store = FolderStore(tmp_path)
    label, body = make_object(some_rows(), WALL)
    store.put_new(KEY, Marker(DATABASE).to_bytes(), {})
    store.put_new(label.key, body, label.to_metadata())
    return tmp_path / FOLDER


def test_pyarrow_reads_the_folder_as_a_partitioned_dataset(archive):
    partitioning = ds.partitioning(pa.schema([("creation_date", pa.date32())]), flavor="hive")
    found = ds.dataset(archive, partitioning=partitioning).to_table()
    types = {name: pa.string() if name in STRINGS else pa.int64() for name in (*STRINGS, *INTEGERS)}
    assert {field.name: field.type for field in found.schema} == {
        **types,
        "creationDate": pa.timestamp("us", tz="UTC"),
        "creationDate_local": pa.timestamp("us"),
        "creation_date": pa.date32(),
    }
    assert found["creation_date"].unique().to_pylist() == [date(2026, 11, 20)]
    assert found.num_rows == 30


def test_duckdb_reads_the_folder_with_the_right_types(archive):
    with duckdb.connect() as connection:
        rows = f"read_parquet('{archive}/*/*.parquet', hive_partitioning = true)"
        found = connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()
        total = connection.execute(f"SELECT count(*), sum(data), min(creation_date) FROM {rows}").fetchone()
    types = {name: "VARCHAR" if name in STRINGS else "BIGINT" for name in COLUMNS}
    assert {name: kind for name, kind, *_ in found} == {
        **types,
        "creationDate": "TIMESTAMP WITH TIME ZONE",
        "creationDate_local": "TIMESTAMP",
        "creation_date": "DATE",
    }
    assert total == (30, sum(range(30)), date(2026, 11, 20))
