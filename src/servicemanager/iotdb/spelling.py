"""The SQL about Facts that differs between the dialects, and the SQL that doesn't.

Only whole numbers and timestamps that we format ourselves are written into statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from servicemanager.iotdb.fingerprint import COLUMNS, INTEGERS, STORED, STRINGS

EARLIEST_TIMESTAMP = datetime(1970, 1, 1, 0, 0, 1)  # noqa: DTZ001 -- as the server compares it


class Spelling(Protocol):
    """What the two dialects spell in their own ways; arguments and results are SQL."""

    #: creationDate in microseconds and in whole seconds since 1970; NULL where it is no point in time.
    micros: str
    seconds: str
    #: Appended to a SELECT, takes the locks of its rows until the transaction ends.
    locking: str

    def utf8(self, column: str) -> str: ...

    def octets(self, text: str) -> str: ...

    def concat(self, *texts: str) -> str: ...

    def floor(self, dividend: str, divisor: int) -> str: ...


class MySqlSpelling:
    micros = "TIMESTAMPDIFF(MICROSECOND,'1970-01-01 00:00:00',creationDate)"
    seconds = "TIMESTAMPDIFF(SECOND,'1970-01-01 00:00:00',creationDate)"
    locking = " FOR UPDATE"

    def utf8(self, column: str) -> str:
        return f"CONVERT({column} USING utf8mb4)"

    def octets(self, text: str) -> str:
        return f"OCTET_LENGTH({text})"

    def concat(self, *texts: str) -> str:
        return f"CONCAT({','.join(texts)})"

    def floor(self, dividend: str, divisor: int) -> str:
        return f"FLOOR({dividend}/{divisor})"


class SqliteSpelling:
    # datetime() gives the one spelling that compares in the order of time; any other text is no time to us.
    seconds = "CASE WHEN datetime(creationDate) = creationDate THEN CAST(strftime('%s',creationDate) AS INTEGER) END"
    micros = f"({seconds}) * 1000000"
    locking = ""

    def utf8(self, column: str) -> str:
        return column

    def octets(self, text: str) -> str:
        return f"length(CAST({text} AS BLOB))"

    def concat(self, *texts: str) -> str:
        return "(" + " || ".join(texts) + ")"

    def floor(self, dividend: str, divisor: int) -> str:
        return f"floor(({dividend}) / {divisor}.0)"


@dataclass(frozen=True)
class Statements:
    """Every statement about Facts, for one table in one dialect."""

    spelling: Spelling
    nullable: frozenset[str]
    #: Whether a value between two others may still be no point in time (DATETIME '2026-11-00', SQLite).
    guarded: bool
    earliest: datetime | None

    def where(self, start: datetime, end: datetime) -> str:
        """The rows from `start` up to `end`, both as stored."""
        start = max(start, self.earliest) if self.earliest else start
        span = f"creationDate >= {literal(start)} AND creationDate < {literal(end)}"
        return f"{span} AND ({self.spelling.seconds}) IS NOT NULL" if self.guarded else span

    def select(self, where: str) -> str:
        return f"SELECT {','.join(COLUMNS)}, {self.spelling.micros} AS {STORED} FROM Facts WHERE {where}"

    def count_by(self, step: int, where: str) -> str:
        """Rows by buckets of `step` seconds, as (bucket number, rows)."""
        bucket = self.spelling.floor(self.spelling.seconds, step)
        return f"SELECT {bucket} AS bucket, COUNT(*) FROM Facts WHERE {where} GROUP BY bucket ORDER BY bucket"

    def fingerprints(self, where: str, cuts: Sequence[datetime], *, lock: bool = False) -> str:
        """By slice: number of the slice, rows, counts, sums, bound."""
        number = " + ".join(f"(creationDate >= {literal(cut)})" for cut in cuts) or "0"
        numbers = [f"CRC32({self.spelling.utf8(name)})" for name in STRINGS] + list(INTEGERS)
        counts = [f"COUNT({n})" if n in self.nullable else "COUNT(*)" for n in (*STRINGS, *INTEGERS)]
        sums = [f"SUM({n})" for n in (*numbers, self.spelling.seconds, f"CRC32({self._row_text()})")]
        columns = ",".join((f"{number} AS slice", "COUNT(*)", *counts, "COUNT(*)", *sums))
        grouped = " GROUP BY slice" if cuts else ""
        return f"SELECT {columns} FROM Facts WHERE {where}{grouped}{self.spelling.locking if lock else ''}"

    def _row_text(self) -> str:
        fields = [self._string_text(name) for name in STRINGS]
        fields += [self._or_n(name, name) for name in INTEGERS]
        fields.append(f"({self.spelling.micros})")
        return self.spelling.concat(*[part for field in fields for part in (field, "';'")][:-1])

    def _string_text(self, column: str) -> str:
        text = self.spelling.utf8(column)
        return self._or_n(column, self.spelling.concat(self.spelling.octets(text), "':'", text))

    def _or_n(self, column: str, text: str) -> str:
        return f"IFNULL({text},'N')" if column in self.nullable else text


def literal(stored: datetime) -> str:
    return f"'{stored.isoformat(sep=' ', timespec='seconds')}'"
