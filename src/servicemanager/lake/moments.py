"""The moments of every sensor over all readings: one definition in SQL, for DuckDB and for Spark.

All numbers are exact integers. A sum of squares exceeds 64 bits, so each engine counts in its own type of 38 digits;
where that does not suffice both end with an error. They are the numbers of the rollups, to the last bit.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from servicemanager.iotdb.moments import Moments, Pair
from servicemanager.lake.session import Answer

#: What holds 38 digits.
DUCKDB, SPARK = "HUGEINT", "DECIMAL(38,0)"
_MOMENTS = """
SELECT device, sensor, count(*) AS n,
  sum(CAST(data AS {wide})) AS sum_x, sum(CAST(data AS {wide}) * CAST(data AS {wide})) AS sum_x2,
  min(data) AS min_x, max(data) AS max_x
FROM {facts} WHERE device IS NOT NULL AND sensor IS NOT NULL AND data IS NOT NULL
GROUP BY device, sensor ORDER BY device, sensor
"""
Found = tuple[Pair, Moments]


def moments_sql(wide: str, facts: str = "facts") -> str:
    """The question, in the words of the engine whose wide integers are `wide`; the answer is in the order of pairs."""
    return _MOMENTS.format(wide=wide, facts=facts)


def found_in(answer: Answer) -> Iterator[Found]:
    """The moments that DuckDB answered `moments_sql` with."""
    for batch in answer.batches():
        yield from map(to_moments, zip(*(column.to_pylist() for column in batch.columns), strict=True))


def to_moments(row: Iterable[Any]) -> Found:
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
