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
    # TO_SECONDS counts from the year 0, in a third of the time that TIMESTAMPDIFF takes; the number is that of 1970.
    seconds = "TO_SECONDS(creationDate) - 62167219200"
    micros = f"({seconds}) * 1000000 + MICROSECOND(creationDate)"
    locking = " FOR UPDATE"

    def utf8(self, column: str) -> str:
        return f"CONVERT({column} USING utf8mb4)"

    def octets(self, text: str) -> str:
        return f"OCTET_LENGTH({text})"

    def concat(self, *texts: str) -> str:
        return f"CONCAT({','.join(texts)})"

    def floor(self, dividend: str, divisor: int) -> str:
        return f"FLOOR(({dividend})/{divisor})"


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
    table: str = "Facts"

    def where(self, start: datetime, end: datetime) -> str:
        """The rows from `start` up to `end`, both as stored."""
        start = max(start, self.earliest) if self.earliest else start
        span = f"creationDate >= {literal(start)} AND creationDate < {literal(end)}"
        return f"{span} AND ({self.spelling.seconds}) IS NOT NULL" if self.guarded else span

    def select(self, where: str) -> str:
        return f"SELECT {','.join(COLUMNS)}, {self.spelling.micros} AS {STORED} FROM {self.table} WHERE {where}"

    def count_by(self, step: int, where: str) -> str:
        """Rows by buckets of `step` seconds, as (bucket number, rows)."""
        bucket = self.spelling.floor(self.spelling.seconds, step)
        return f"SELECT {bucket} AS bucket, COUNT(*) FROM {self.table} WHERE {where} GROUP BY bucket ORDER BY bucket"

    def fingerprints(self, where: str, cuts: Sequence[datetime], *, lock: bool = False) -> str:
        """By slice: number of the slice, rows, counts, sums, bound."""
        number = " + ".join(f"(creationDate >= {literal(cut)})" for cut in cuts) or "0"
        numbers = [f"CRC32({self.spelling.utf8(name)})" for name in STRINGS] + list(INTEGERS)
        counts = [f"COUNT({n})" if n in self.nullable else "COUNT(*)" for n in (*STRINGS, *INTEGERS)]
        sums = [f"SUM({n})" for n in (*numbers, self.spelling.seconds)]
        bound = f"SUM(CRC32(CRC32({self._text((*STRINGS, *INTEGERS, STORED))})))"
        columns = ",".join((f"{number} AS slice", "COUNT(*)", *counts, "COUNT(*)", *sums, bound))
        grouped = " GROUP BY slice" if cuts else ""
        return f"SELECT {columns} FROM {self.table} WHERE {where}{grouped}{self.spelling.locking if lock else ''}"

    def _text(self, columns: Sequence[str]) -> str:
        """The text of these fields, as `fingerprint.row_texts` writes it."""
        fields = [self._field(name) for name in columns]
        return self.spelling.concat(*[part for field in fields for part in (field, "';'")][:-1])

    def _field(self, column: str) -> str:
        text = column
        if column == STORED:
            text = f"({self.spelling.micros})"
        elif column in STRINGS:
            content = self.spelling.utf8(column)
            text = self.spelling.concat(self.spelling.octets(content), "':'", content)
        return f"IFNULL({text},'N')" if column in self.nullable else text


def literal(stored: datetime) -> str:
    return f"'{stored.isoformat(sep=' ', timespec='seconds')}'"
