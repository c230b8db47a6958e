"""The SQL about Facts that differs between the dialects, and the SQL that doesn't.

Only whole numbers and timestamps that we format ourselves are written into statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from servicemanager.iotdb.columns import COLUMNS, INTEGERS, STORED, STRINGS

#: Seconds from the year 0 to 1970, as the server counts them.
_YEAR_0 = 62_167_219_200
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- stored values have no zone
EARLIEST_TIMESTAMP = datetime(1970, 1, 1, 0, 0, 1)  # noqa: DTZ001 -- as the server compares it


def quoted(name: str) -> str:
    """An identifier that may be anything, as the driver wants it, for which a percent sign has a meaning."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


class Spelling(Protocol):
    """What the two dialects spell in their own ways; arguments and results are SQL."""

    @property
    def micros(self) -> str:
        """Microseconds since 1970 of creationDate; NULL where it is no point in time."""

    @property
    def seconds(self) -> str:
        """The same in whole seconds."""

    @property
    def locking(self) -> str:
        """Appended to a SELECT, takes the locks of its rows until the transaction ends."""

    def utf8(self, column: str) -> str: ...

    def octets(self, text: str) -> str: ...

    def join(self, fields: Sequence[str]) -> str:
        """With semicolons; no field is NULL."""

    def bucket(self, seconds: int) -> str:
        """The number, from 1970 on, of the stretch of so many seconds in which creationDate lies."""

    def interval(self, edges: Sequence[datetime]) -> str:
        """How many of the ascending `edges`, as stored, creationDate has reached."""

    def octet_string(self, text: str) -> str:
        """Bytes, which compare as such: neither case nor trailing blanks are passed over."""

    def exact_sums(self, column: str, *, wide: bool) -> str:
        """The sum of a column of integers, and the sum of their squares; `wide` are those of 64 bits."""


@dataclass(frozen=True)
class MySqlSpelling:
    # TO_SECONDS counts from the year 0, in a third of the time that TIMESTAMPDIFF takes; the number is that of 1970.
    seconds: str = f"TO_SECONDS(creationDate) - {_YEAR_0}"
    micros: str = f"(TO_SECONDS(creationDate) - {_YEAR_0}) * 1000000 + MICROSECOND(creationDate)"
    locking: str = " FOR UPDATE"

    def utf8(self, column: str) -> str:
        return f"CONVERT({column} USING utf8mb4)"

    def octets(self, text: str) -> str:
        return f"OCTET_LENGTH({text})"

    def join(self, fields: Sequence[str]) -> str:
        return f"CONCAT_WS(';',{','.join(fields)})"

    def bucket(self, seconds: int) -> str:
        # DIV rounds towards zero, so it has to count from the year 0; a division would make slow decimals.
        return f"({self.seconds} + {_YEAR_0}) DIV {seconds} - {_YEAR_0 // seconds}"

    def interval(self, edges: Sequence[datetime]) -> str:
        # By bisection, where the sum of all comparisons would cost more than the rest of the query.
        seconds = [str((edge - _EPOCH) // timedelta(seconds=1)) for edge in edges]
        return f"INTERVAL({self.seconds},{','.join(seconds)})"

    def octet_string(self, text: str) -> str:
        return f"CAST({text} AS BINARY)"

    def exact_sums(self, column: str, *, wide: bool) -> str:
        # The square of 32 bits has 64; SUM itself counts in decimals, without a limit that readings could reach.
        factor = f"CAST({column} AS DECIMAL(20,0))" if wide else column
        return f"SUM({column}),SUM({factor}*{column})"


#: For a TIMESTAMP column without fractions, which the server stores as just that number: it costs next to nothing.
WHOLE_INSTANTS = MySqlSpelling("UNIX_TIMESTAMP(creationDate)", "UNIX_TIMESTAMP(creationDate) * 1000000")


class SqliteSpelling:
    # datetime() gives the one spelling that compares in the order of time; any other text is no time to us.
    seconds = "CASE WHEN datetime(creationDate) = creationDate THEN CAST(strftime('%s',creationDate) AS INTEGER) END"
    micros = f"({seconds}) * 1000000"
    locking = ""

    def utf8(self, column: str) -> str:
        return column

    def octets(self, text: str) -> str:
        return f"length(CAST({text} AS BLOB))"

    def join(self, fields: Sequence[str]) -> str:
        return " || ';' || ".join(fields)

    def bucket(self, seconds: int) -> str:
        return f"floor(({self.seconds}) / {seconds}.0)"

    def interval(self, edges: Sequence[datetime]) -> str:
        return " + ".join(f"(creationDate >= {literal(edge)})" for edge in edges)

    def octet_string(self, text: str) -> str:
        return f"CAST({text} AS BLOB)"

    def exact_sums(self, column: str, *, wide: bool) -> str:  # noqa: ARG002 -- Python's integers have no width
        return f"exact_sum({column}),exact_squares({column})"


@dataclass(frozen=True)
class Statements:
    """Every statement about Facts, for one table in one dialect."""

    spelling: Spelling
    nullable: frozenset[str]
    #: Whether a value between two others may still be no point in time (DATETIME '2026-11-00', SQLite).
    guarded: bool
    earliest: datetime | None
    #: Whether the strings are UTF-8 as they stand, and need no conversion.
    unicode: bool = False
    table: str = "Facts"

    def where(self, start: datetime, end: datetime) -> str:
        """The rows from `start` up to `end`, both as stored."""
        start = max(start, self.earliest) if self.earliest else start
        span = f"creationDate >= {literal(start)} AND creationDate < {literal(end)}"
        return f"{span} AND ({self.spelling.seconds}) IS NOT NULL" if self.guarded else span

    def dateless(self, first: datetime) -> str:
        """The rows whose creationDate is no point in time, or before `first`; by index where it can be."""
        none = f"({self.spelling.seconds})" if self.guarded else "creationDate"
        return f"{none} IS NULL OR creationDate < {literal(first)}"

    def outside(self, start: datetime, end: datetime) -> str:
        """The rows that are not between the two, those without a date among them; by index where it can be."""
        spans = f"creationDate < {literal(start)} OR creationDate >= {literal(end)} OR creationDate IS NULL"
        return f"{spans} OR ({self.spelling.seconds}) IS NULL" if self.guarded else spans

    def select(self, where: str, index: str | None = None) -> str:
        """The rows; with `index`, whatever the server thinks of it."""
        columns = f"{','.join(COLUMNS)}, {self.spelling.micros} AS {STORED}"
        return f"SELECT {columns} FROM {self._source(index)} WHERE {where}"

    def count_by(self, step: int, where: str) -> str:
        """Rows by buckets of `step` seconds, a divisor of a day, as (bucket number, rows)."""
        bucket = self.spelling.bucket(step)
        return f"SELECT {bucket} AS bucket, COUNT(*) FROM {self.table} WHERE {where} GROUP BY bucket ORDER BY bucket"

    def first(self, where: str) -> str:
        """When the first of the rows arrived, in microseconds since 1970; with the index it reads one row."""
        return (
            f"SELECT {self.spelling.micros} FROM {self.table} WHERE {where} AND ({self.spelling.seconds}) IS NOT NULL "
            "ORDER BY creationDate LIMIT 1"
        )

    def count_between(self, where: str, edges: Sequence[datetime]) -> str:
        """Number of edges reached, and rows."""
        number = self.spelling.interval(edges)
        return f"SELECT {number} AS slice, COUNT(*) FROM {self.table} WHERE {where} GROUP BY slice"

    def moments(self, where: str, *, wide: bool) -> str:
        """Device, sensor and moments of each pair among the rows, in order; rows without a pair are left out."""
        complete = [f"{name} IS NOT NULL" for name in ("device", "sensor", "data") if name in self.nullable]
        device = self.spelling.octet_string(self._utf8("device"))
        sums = f"COUNT(*),{self.spelling.exact_sums('data', wide=wide)},MIN(data),MAX(data)"
        rows = " AND ".join((f"({where})", *complete))
        return (
            f"SELECT {device} AS device_bytes,sensor,{sums} FROM {self.table} WHERE {rows} "
            "GROUP BY device_bytes,sensor ORDER BY device_bytes,sensor"
        )

    def fingerprints(self, where: str, edges: Sequence[datetime] = (), *, lock: bool = False) -> str:
        """Number of edges reached, rows, sums, bound, and how many values a column has that may hold NULL.

        A row for each such number, or one for all.
        """
        number = self.spelling.interval(edges) if edges else "0"
        numbers = [f"CRC32({self._utf8(name)})" for name in STRINGS] + list(INTEGERS)
        counts = [f"COUNT({n})" for n in (*STRINGS, *INTEGERS) if n in self.nullable]
        sums = [f"SUM({n})" for n in (*numbers, self.spelling.seconds)]
        columns = ",".join((f"{number} AS slice", "COUNT(*)", *sums, self._bound(), *counts))
        grouped = " GROUP BY slice" if edges else ""
        return f"SELECT {columns} FROM {self.table} WHERE {where}{grouped}{self.spelling.locking if lock else ''}"

    def counts(self, where: str, edges: Sequence[datetime] = (), index: str | None = None) -> str:
        """Number of edges reached, rows, bound: a row for each such number, or one for all."""
        number = self.spelling.interval(edges) if edges else "0"
        grouped = " GROUP BY slice" if edges else ""
        columns = f"{number} AS slice,COUNT(*),{self._bound()}"
        return f"SELECT {columns} FROM {self._source(index)} WHERE {where}{grouped}"

    def _source(self, index: str | None) -> str:
        return f"{self.table} FORCE INDEX (`{index}`)" if index else self.table

    def _bound(self) -> str:
        return f"SUM(CRC32(CRC32({self._text()})))"

    def _text(self) -> str:
        """The text of a row, as `row_text.row_texts` writes it."""
        strings = [self._utf8(name) for name in STRINGS]
        fields = [self._or(name, text, "") for name, text in zip(STRINGS, strings, strict=True)]
        lengths = [self.spelling.octets(text) for text in strings]
        fields += [self._or(name, text, "N") for name, text in zip(STRINGS, lengths, strict=True)]
        fields += [self._or(name, name, "N") for name in INTEGERS]
        return self.spelling.join([*fields, f"({self.spelling.micros})"])

    def _utf8(self, column: str) -> str:
        return column if self.unicode else self.spelling.utf8(column)

    def _or(self, column: str, text: str, null: str) -> str:
        return f"IFNULL({text},'{null}')" if column in self.nullable else text


def literal(stored: datetime) -> str:
    return f"'{stored.isoformat(sep=' ', timespec='seconds')}'"
