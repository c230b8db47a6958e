"""The port Facts, over every form of the table."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from servicemanager.iotdb.columns import COLUMNS, STORED
from servicemanager.iotdb.fingerprint import EMPTY, fingerprint_slices, total
from servicemanager.iotdb.window import Calendar, Window
from support.iotdb import MIDNIGHT, Iotdb, reading

ZONE = ZoneInfo("America/Sao_Paulo")
HOUR = timedelta(hours=1)
#: Values that have broken others: separators, quotes, NUL, four-byte characters, the ends of INT.
ODD = [
    reading(MIDNIGHT + HOUR, device="a;b'c\"d\\", channel="line\nbreak"),
    reading(MIDNIGHT + HOUR, device="nul\0nul", channel="%s %d {x} :name"),
    reading(MIDNIGHT + HOUR, device="😀🚀é ", device_group=""),
    reading(MIDNIGHT + 2 * HOUR, data=-(2**31), sensor=2**31 - 1, year=-5),
    reading(MIDNIGHT + 2 * HOUR, device="AB:01"),
    reading(MIDNIGHT + 2 * HOUR, device="ab:01"),
    reading(MIDNIGHT + 2 * HOUR, device="ab:01 "),
    *[reading(MIDNIGHT + 3 * HOUR)] * 5,
]


@pytest.fixture
def facts(iotdb: Iotdb):
    iotdb.insert(ODD)
    return iotdb.facts()


def window_of(facts, start: datetime, end: datetime) -> Window:
    """The window of rows stored from `start` to `end`."""
    return facts.time.to_window(start, end)


def read(facts, window) -> pa.Table:
    return facts.read(window)


def test_every_row_of_a_window_is_read_as_it_is(iotdb, facts):
    table = read(facts, window_of(facts, MIDNIGHT, MIDNIGHT + 24 * HOUR))
    stored = [datetime(1970, 1, 1) + timedelta(microseconds=us) for us in table[STORED].to_pylist()]
    found = Counter(zip(*(table[name].to_pylist() for name in COLUMNS), stored, strict=True))
    assert found == Counter(ODD) == iotdb.rows()


def test_a_window_holds_its_first_instant_and_not_its_last(facts):
    window = window_of(facts, MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR)
    assert read(facts, window).num_rows == 7


def test_database_and_decoded_rows_have_the_same_fingerprints(iotdb, facts):
    window = window_of(facts, MIDNIGHT, MIDNIGHT + 24 * HOUR)
    windows = [window_of(facts, MIDNIGHT + a * HOUR, MIDNIGHT + b * HOUR) for a, b in ((0, 2), (2, 3), (3, 24))]
    with iotdb.database.reading() as connection:
        sliced = facts.fingerprints(connection, windows)
        whole = facts.fingerprints(connection, [window])
        parted = facts.fingerprints(connection, windows[::2])
    micros = [int((MIDNIGHT - datetime(1970, 1, 1)) / timedelta(microseconds=1)) + h * 3_600_000_000 for h in (2, 3)]
    assert sliced == fingerprint_slices(read(facts, window), micros)
    assert [f.rows for f in sliced] == [3, 4, 5]
    assert whole == [total(sliced)]
    assert parted == sliced[::2]


def test_rows_are_counted_by_buckets(facts):
    until = window_of(facts, MIDNIGHT, MIDNIGHT + 3 * HOUR).end_at
    assert [b.rows for b in facts.counts(None, until, HOUR)] == [3, 4]
    buckets = facts.counts(window_of(facts, MIDNIGHT, MIDNIGHT + 24 * HOUR), until, timedelta(minutes=15))
    assert [b.rows for b in buckets] == [3, 4, 5]
    assert buckets[0].window == window_of(facts, MIDNIGHT + HOUR, MIDNIGHT + HOUR + timedelta(minutes=15))


def test_only_the_rows_of_the_window_are_deleted(iotdb, facts):
    window = window_of(facts, MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR)
    with iotdb.database.transaction() as connection:
        (before,) = facts.fingerprints(connection, [window], lock=True)
        assert facts.delete(connection, window) == before.rows == 7
    assert iotdb.rows() == Counter(ODD[-5:])


def test_a_rolled_back_delete_deletes_nothing(iotdb, facts):
    with pytest.raises(ZeroDivisionError), iotdb.database.transaction() as connection:
        facts.delete(connection, window_of(facts, MIDNIGHT, MIDNIGHT + 24 * HOUR))
        raise ZeroDivisionError
    assert iotdb.rows() == Counter(ODD)


def test_an_empty_window_is_empty_everywhere(iotdb, facts):
    window = Calendar(ZONE).day(datetime(2020, 2, 29, tzinfo=UTC).date())
    assert read(facts, window).num_rows == 0
    halves = [Window(window.start_at, window.start_at + HOUR), Window(window.start_at + HOUR, window.end_at)]
    with iotdb.database.reading() as connection:
        assert facts.fingerprints(connection, halves) == [EMPTY, EMPTY]


def test_the_future_is_counted_apart(facts):
    assert facts.count_from(datetime(2026, 11, 20, 20, tzinfo=UTC)) == 0
    assert facts.count_from(datetime(2026, 11, 19, tzinfo=UTC)) == len(ODD)
    assert facts.count_dateless() == 0


def test_what_is_due_is_counted_up_to_a_limit_and_its_oldest_row_found(facts):
    until = window_of(facts, MIDNIGHT, MIDNIGHT + 3 * HOUR).end_at
    assert [facts.count_some_before(until, limit) for limit in (100, 5)] == [7, 5]
    assert facts.oldest_before(until) == window_of(facts, MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR).start_at
    assert facts.oldest_before(datetime(2020, 1, 1, tzinfo=UTC)) is None


def test_null_in_every_nullable_column_is_told_from_zero_and_from_nothing(mysql_server, mysql_database):
    from support.iotdb import facts_ddl, mysql_iotdb

    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl(nullable=True))
    odd = [reading(**{name: None}) for name in COLUMNS] + [
        (*[None] * 12, MIDNIGHT),
        reading(sensor=0),
        reading(device=""),
    ]
    iotdb.insert([*odd, (*reading()[:12], None)])
    facts = iotdb.facts()
    window = Window(MIDNIGHT.replace(tzinfo=UTC), (MIDNIGHT + HOUR).replace(tzinfo=UTC))
    table = read(facts, window)
    with iotdb.database.reading() as connection:
        assert facts.fingerprints(connection, [window]) == fingerprint_slices(table, [])
    assert table.num_rows == len(odd)
    assert facts.count_dateless() == 1
    iotdb.database.close()
