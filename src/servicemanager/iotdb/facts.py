"""Facts: counted, read as Arrow, fingerprinted, deleted; always by windows of arrival time.

Nothing here decides anything: a window's rows are deleted by whoever holds the proof for them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from servicemanager.iotdb.columns import COLUMNS, INTEGERS, STORED, STRINGS
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.fingerprint import EMPTY, Count, Fingerprint
from servicemanager.iotdb.moment_blocks import PAIRS
from servicemanager.iotdb.moment_columns import from_pairs
from servicemanager.iotdb.moments import Moments, Pair
from servicemanager.iotdb.reader import READ_SCHEMA, iter_mysql, iter_sqlite
from servicemanager.iotdb.shape import Shape, describe
from servicemanager.iotdb.spelling import (
    EARLIEST_TIMESTAMP,
    WHOLE_INSTANTS,
    MySqlSpelling,
    SqliteSpelling,
    Statements,
    literal,
    quoted,
)
from servicemanager.iotdb.stored import StoredTime, UtcTime, WallTime, snap, stored_micros
from servicemanager.iotdb.window import SECOND, Calendar, Window

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- stored values have no zone
_DAY = timedelta(days=1)
#: From so many windows on one scan for all is cheaper than one for each, where each is a scan.
_MANY = 2
#: The first day that servers call a date, and that has neighbours in every calendar.
_EVER = datetime(1000, 1, 1)  # noqa: DTZ001
#: READ_SCHEMA in less memory: most strings occur again and again.
_COMPACT = pa.schema(
    [(f.name, pa.dictionary(pa.int32(), f.type) if f.name in STRINGS else f.type) for f in READ_SCHEMA]
)


@dataclass(frozen=True)
class Bucket:
    """How many rows arrived within a stretch of time."""

    window: Window
    rows: int


class Facts:
    """The readings in one table of a database."""

    def __init__(self, database: Database, shape: Shape) -> None:
        self._database = database
        self.shape = shape
        self.time: StoredTime = WallTime(shape.wall_zone) if shape.wall_zone else UtcTime()
        self._sql = _statements(database, shape)

    @classmethod
    def open(cls, database: Database, datetime_zone: str, table: str = "Facts") -> Facts:
        """Look at the table first. Raises DatabaseRefused where it lacks what the platform's has."""
        return cls(database, describe(database, datetime_zone, table))

    def calendar(self, zone: ZoneInfo) -> Calendar:
        """Local days of `zone`, at whose ends this table can be cut."""
        return Calendar(zone, lambda instant: snap(self.time, instant))

    def micros(self, instant: datetime) -> int:
        """`instant` on the scale of the column STORED."""
        return stored_micros(self.time, instant)

    def counts(self, span: Window | None, until: datetime, step: timedelta) -> list[Bucket]:
        """Rows within `span`, or all before `until`, by buckets of `step`, oldest first; without dateless ones."""
        where = self._where(span) if span else self._sql.where(_EVER, self.time.to_stored(until))
        seconds = int(step.total_seconds())
        buckets = []
        for number, rows in self._query(self._sql.count_by(seconds, where)):
            if number is not None:
                begin = _EPOCH + timedelta(seconds=int(number) * seconds)
                buckets.append(Bucket(self.time.to_window(begin, begin + step), int(rows)))
        return buckets

    def days(self, calendar: Calendar, until: datetime) -> list[date]:
        """Local days before `until` on which rows arrived, in order; perhaps the one after such a day too."""
        if not self.shape.indexed:
            held = [bucket.window for bucket in self.counts(None, until, _DAY)]
            return sorted({day for window in held for day, _ in calendar.days(window)})
        found: list[date] = []
        start, end = _EVER, self.time.to_stored(until)
        while row := self._query(self._sql.first(self._sql.where(start, end))):
            stored = _EPOCH + timedelta(microseconds=int(row[0][0]))
            touched = list(calendar.days(self.time.to_window(stored, stored + SECOND)))
            found += [day for day, _ in touched]
            start = max(stored + SECOND, self.time.to_stored(touched[-1][1].end_at))
        return found

    def count_each(self, windows: Sequence[Window]) -> list[int]:
        """Rows in each of `windows`, which are in order and disjoint."""
        if self.shape.indexed or len(windows) < _MANY:
            return [self._count(self._where(window)) for window in windows]
        edges = sorted({edge for window in windows for edge in (window.start_at, window.end_at)})
        where = self._where(Window(edges[0], edges[-1]))
        query = self._sql.count_between(where, list(map(self.time.to_stored, edges)))
        found = {edges[int(number) - 1]: int(rows) for number, rows in self._query(query)}
        return [found.get(window.start_at, 0) for window in windows]

    def moments(self, window: Window, without: Sequence[Window]) -> Generator[pa.Table]:
        """The moments of the rows of `window` but for those in `without`, as the server counts them.

        Tables of `moment_columns`, as they come; nothing of Facts is locked meanwhile.
        """
        spans = [f"NOT ({self._where(each)})" for each in without]
        query = self._sql.moments(" AND ".join((self._where(window), *spans)), wide=self.shape.wide)
        with self._database.snapshot() as connection:
            rows = connection.execution_options(stream_results=True).exec_driver_sql(query)
            for some in rows.partitions(PAIRS):
                yield from_pairs((Pair(bytes(name), int(s)), Moments(*map(int, all_))) for name, s, *all_ in some)

    def count_dateless(self, since: datetime | None = None) -> int:
        """Rows whose creationDate is NULL, no point in time, or before the year 1000: no window holds them.

        With `since`, only those that the server sorts after that instant all the same.
        """
        dateless = self._sql.dateless(_EVER)
        return self._count(f"({dateless}) AND {self._since(since)}" if since else dateless)

    def count_all(self) -> int:
        return self._count("1 = 1")

    def count_before(self, instant: datetime) -> int:
        """Rows that arrived before `instant`, without dateless ones."""
        return self._count(self._sql.where(_EVER, self.time.to_stored(instant)))

    def count_some_before(self, instant: datetime, limit: int) -> int:
        """The same, but not further than `limit`: cheap with an index, however many there are."""
        where = self._sql.where(_EVER, self.time.to_stored(instant))
        query = f"SELECT COUNT(*) FROM (SELECT 1 FROM {self.shape.table} WHERE {where} LIMIT {limit}) AS counted"
        return int(self._query(query)[0][0])

    def oldest_before(self, instant: datetime) -> datetime | None:
        """When the oldest row arrived that arrived before `instant`; cheap with an index only."""
        row = self._query(self._sql.first(self._sql.where(_EVER, self.time.to_stored(instant))))
        stored = _EPOCH + timedelta(microseconds=int(row[0][0])) if row else None
        return self.time.to_window(stored, stored + SECOND).start_at if stored else None

    def count_from(self, instant: datetime) -> int:
        """Rows that arrived at `instant` or later."""
        return self._count(self._since(instant))

    def within(self, window: Window, rows: pa.Table) -> pa.Table:
        """Those of `rows`, in READ_SCHEMA, that lie in `window`."""
        stored = rows.column(STORED)
        inside = pc.and_(
            pc.greater_equal(stored, self.micros(window.start_at)), pc.less(stored, self.micros(window.end_at))
        )
        return rows.filter(inside)

    def read(self, window: Window) -> pa.Table:
        """The rows of `window`, in no order: READ_SCHEMA with strings as in dictionaries.

        All of them are in memory at once, so `window` must be bounded.
        """
        return pa.concat_tables([self.no_rows, *self.iter_rows(window)]).unify_dictionaries().combine_chunks()

    @property
    def no_rows(self) -> pa.Table:
        return _COMPACT.empty_table()

    def iter_rows(self, window: Window, *, by_index: bool = False) -> Generator[pa.Table]:
        """The same as they come, in tables of a bounded size; the server waits until the next one is asked for.

        With `by_index` a server does not scan the table, which it else does for a seventh of it or so.
        """
        query = self._sql.select(self._where(window), self.shape.index if by_index else None)
        for batch in _READERS[self._database.dialect](self._database, query):
            yield pa.Table.from_batches([batch]).cast(_COMPACT)

    def fingerprints(
        self, connection: sa.Connection, windows: Sequence[Window], *, lock: bool = False
    ) -> list[Fingerprint]:
        """What the database itself counts for each of `windows`, which are in order and disjoint.

        With `lock` their rows stay locked until the connection's transaction ends. Where no index finds a window,
        all of them are counted in one scan of the table.
        """
        if self.shape.indexed or len(windows) < _MANY:
            return [self._fingerprint(connection, window, lock=lock) for window in windows]
        edges = sorted({edge for window in windows for edge in (window.start_at, window.end_at)})
        where = self._where(Window(edges[0], edges[-1]))
        query = self._sql.fingerprints(where, list(map(self.time.to_stored, edges)), lock=lock)
        found = {edges[int(row[0]) - 1]: self._to_fingerprint(row[1:]) for row in connection.exec_driver_sql(query)}
        return [found.get(window.start_at, EMPTY) for window in windows]

    def _fingerprint(self, connection: sa.Connection, window: Window, *, lock: bool) -> Fingerprint:
        query = self._sql.fingerprints(self._where(window), lock=lock)
        return self._to_fingerprint(connection.exec_driver_sql(query).one()[1:])

    def _to_fingerprint(self, row: Sequence[Any]) -> Fingerprint:
        rows, *numbers = (int(value or 0) for value in row)
        if not rows:
            return EMPTY
        names = (*STRINGS, *INTEGERS, STORED)
        sums, bound, counted = numbers[: len(names)], numbers[len(names)], iter(numbers[len(names) + 1 :])
        counts = tuple(next(counted) if name in self.shape.nullable else rows for name in names)
        return Fingerprint(rows, counts, tuple(sums), bound)

    def fingerprint_whole(self, connection: sa.Connection) -> Fingerprint:
        """Of all rows, whatever their dates."""
        return self._to_fingerprint(connection.exec_driver_sql(self._sql.fingerprints("1 = 1")).one()[1:])

    def count_outside(self, connection: sa.Connection, window: Window) -> int:
        """Rows that do not lie in `window`, those without a date among them."""
        where = self._sql.outside(self.time.to_stored(window.start_at), self.time.to_stored(window.end_at))
        query = f"SELECT COUNT(*) FROM {self.shape.table} WHERE {where}"
        return int(connection.exec_driver_sql(query).scalar_one())

    def count_bound(
        self, connection: sa.Connection, windows: Sequence[Window], *, by_index: bool = False
    ) -> list[Count]:
        """Of what `fingerprints` counts only what binds rows together: half the work for the server."""
        if self.shape.indexed or len(windows) < _MANY:
            index = self.shape.index.replace("%", "%%") if by_index and self.shape.index else None
            queries = [self._sql.counts(self._where(window), index=index) for window in windows]
            return [_to_count(connection.exec_driver_sql(query).one()) for query in queries]
        edges = sorted({edge for window in windows for edge in (window.start_at, window.end_at)})
        where = self._where(Window(edges[0], edges[-1]))
        query = self._sql.counts(where, list(map(self.time.to_stored, edges)))
        found = {edges[int(row[0]) - 1]: _to_count(row) for row in connection.exec_driver_sql(query)}
        return [found.get(window.start_at, EMPTY.count) for window in windows]

    def delete(self, connection: sa.Connection, window: Window) -> int:
        """Delete the rows of `window` and return how many there were. The caller decides whether to commit."""
        query = f"DELETE FROM {self.shape.table} WHERE {self._where(window)}"
        return connection.exec_driver_sql(query).rowcount

    def move(self, connection: sa.Connection, target: Shape, window: Window | None) -> tuple[int, int]:
        """Rows of `window`, or all, into the table `target`: how many got there, and how many left this one.

        Every column that both have moves along. The caller decides whether to commit.
        """
        further = [name for name in self.shape.extra if name in target.extra and name not in target.computed]
        names = ",".join((*COLUMNS, "creationDate", *map(quoted, further)))
        source = f"{self.shape.table} WHERE {self._where(window) if window else '1 = 1'}"
        into = connection.exec_driver_sql(f"INSERT INTO {target.table} ({names}) SELECT {names} FROM {source}").rowcount
        return into, connection.exec_driver_sql(f"DELETE FROM {source}").rowcount

    def check_delete(self) -> None:
        """Raise DatabaseRefused, with the GRANT, where rows may not be deleted."""
        with self._database.transaction() as connection:
            connection.exec_driver_sql(f"DELETE FROM {self.shape.table} WHERE 1 = 0")

    def _since(self, instant: datetime) -> str:
        return f"creationDate >= {literal(self.time.to_stored(instant))}"

    def _where(self, window: Window) -> str:
        return self._sql.where(self.time.to_stored(window.start_at), self.time.to_stored(window.end_at))

    def _query(self, query: str) -> list[Sequence[Any]]:
        with self._database.reading() as connection:
            return list(connection.exec_driver_sql(query))

    def _count(self, where: str) -> int:
        return int(self._query(f"SELECT COUNT(*) FROM {self.shape.table} WHERE {where}")[0][0])


_READERS: dict[str, Callable[[Database, str], Iterator[pa.RecordBatch]]] = {"mysql": iter_mysql, "sqlite": iter_sqlite}


def _statements(database: Database, shape: Shape) -> Statements:
    if database.dialect == "sqlite":
        return Statements(SqliteSpelling(), shape.nullable, guarded=True, earliest=None, table=shape.table)
    wall = shape.wall_zone is not None
    spelling = MySqlSpelling() if wall or shape.fractions else WHOLE_INSTANTS
    # A zero date compares below every TIMESTAMP, so only wall times need the guard.
    earliest = None if wall else EARLIEST_TIMESTAMP
    return Statements(
        spelling, shape.nullable, guarded=wall, earliest=earliest, unicode=shape.unicode, table=shape.table
    )


def _to_count(row: Sequence[Any]) -> Count:
    _, rows, bound = row
    return Count(int(rows), int(bound or 0))
