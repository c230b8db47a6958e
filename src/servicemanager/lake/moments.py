"""The moments of every sensor over all readings: one definition in SQL, by DuckDB here or on each worker of Spark.

All numbers are exact integers. A sum of squares exceeds 64 bits, so DuckDB counts in a type of 38 digits; where that
does not suffice it ends with an error. They are the numbers of the rollups, to the last bit.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from servicemanager.iotdb.moments import Moments, Pair
from servicemanager.lake.session import Answer

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: The question; the answer is in the order of pairs.
MOMENTS_SQL = """
SELECT device, sensor, count(*) AS n,
  sum(CAST(data AS HUGEINT)) AS sum_x, sum(CAST(data AS HUGEINT) * CAST(data AS HUGEINT)) AS sum_x2,
  min(data) AS min_x, max(data) AS max_x
FROM facts WHERE device IS NOT NULL AND sensor IS NOT NULL AND data IS NOT NULL
GROUP BY device, sensor ORDER BY device, sensor
"""
Found = tuple[Pair, Moments]


def found_in(answer: Answer) -> Iterator[Found]:
    """The moments that a lake answered MOMENTS_SQL with."""
    for batch in answer.batches():
        yield from map(_to_moments, zip(*(column.to_pylist() for column in batch.columns), strict=True))


def moments_of(rows: pa.RecordBatchReader, session: duckdb.DuckDBPyConnection) -> Iterator[Found]:
    """The same of these rows."""
    session.register("facts", rows)
    yield from map(_to_moments, session.execute(MOMENTS_SQL).fetchall())


def _to_moments(row: Iterable[Any]) -> Found:
    device, sensor, *numbers = row
    return Pair(device.encode(), int(sensor)), Moments(*map(int, numbers))


def together(*parts: Iterable[Found]) -> Iterator[Found]:
    """Parts in the order of pairs, added up, in the same order."""
    for pair, found in groupby(heapq.merge(*parts, key=itemgetter(0)), key=itemgetter(0)):
        moments = [each for _, each in found]
        total = moments[0]
        for each in moments[1:]:
            total += each
        yield pair, total
