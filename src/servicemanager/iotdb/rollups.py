"""The tables of moments: what the archive holds by local day, and what Facts holds besides.

`sm_rollup` counts exactly the objects that `sm_rollup_object` lists: both are written in the transaction that
journals an object. `sm_rollup_live` can be thrown away at any time. Everything is written within the caller's
transaction, which the caller fences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database, Dialect
from servicemanager.iotdb.moments import Moments, Pair
from servicemanager.iotdb.tables import archive, archive_object, rollup, rollup_day, rollup_live, rollup_object

#: Pairs of one statement: well below the smallest max_allowed_packet, 1 MiB.
_STATEMENT_PAIRS = 2_000
_COLUMNS = "day,device,sensor,n,sum_x,sum_x2,min_x,max_x"
_ADD = {
    "mysql": "ON DUPLICATE KEY UPDATE n=n+VALUES(n), sum_x=sum_x+VALUES(sum_x), sum_x2=sum_x2+VALUES(sum_x2), "
    "min_x=LEAST(min_x,VALUES(min_x)), max_x=GREATEST(max_x,VALUES(max_x))",
    "sqlite": "ON CONFLICT (day,device,sensor) DO UPDATE SET n=n+excluded.n, sum_x=exact_add(sum_x,excluded.sum_x), "
    "sum_x2=exact_add(sum_x2,excluded.sum_x2), min_x=min(min_x,excluded.min_x), max_x=max(max_x,excluded.max_x)",
}
_TOTAL: Mapping[Dialect, str] = {"mysql": "SUM", "sqlite": "exact_sum"}


@dataclass(frozen=True, order=True)
class Counted:
    """One generation of one window."""

    archive_id: int
    generation: int


@dataclass(frozen=True)
class Remembered:
    """What a day looked like when its readings that are not archived were last summed up."""

    facts_rows: int
    #: Of what the journal said about the day; see `statistics`.
    journal: str


class Rollups:
    """Reads and writes the tables; see the module's docstring."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_objects(
        self, tx: sa.Connection, day: date, objects: Sequence[Counted], moments: Mapping[Pair, Moments]
    ) -> None:
        """Add the moments of some objects of a day to the archive's.

        Where one was counted already, somebody has removed it from the journal by hand, and nobody can tell what it
        held: then the whole day is left to the next run of the statistics, which reads its objects.
        """
        known = self._listed(tx, day)
        if known.intersection(objects):
            self.clear_archived(tx, day)
            return
        for each in objects:
            tx.execute(rollup_object.insert().values(archive_id=each.archive_id, generation=each.generation))
        self._add(tx, rollup, day, moments)

    def clear_archived(self, tx: sa.Connection, day: date) -> None:
        """Count none of the day's objects, so that all of them can be counted anew."""
        windows = sa.select(archive.c.id).where(archive.c.creation_date == day).scalar_subquery()
        tx.execute(rollup.delete().where(rollup.c.day == day))
        tx.execute(rollup_object.delete().where(rollup_object.c.archive_id.in_(windows)))

    def clear_strangers(self, tx: sa.Connection) -> None:
        """Count nothing any more where objects are counted that the journal does not know, as after it was lost.

        Nobody can tell of which days those were; the next run of the statistics reads what is then not counted.
        """
        known = sa.select(archive.c.id)
        strangers = sa.select(rollup_object.c.archive_id).where(rollup_object.c.archive_id.not_in(known)).limit(1)
        if tx.execute(strangers).first():
            tx.execute(rollup.delete())
            tx.execute(rollup_object.delete())

    def clear_live(self, tx: sa.Connection, day: date) -> None:
        tx.execute(rollup_live.delete().where(rollup_live.c.day == day))

    def add_live(self, tx: sa.Connection, day: date, moments: Mapping[Pair, Moments]) -> None:
        self._add(tx, rollup_live, day, moments)

    def remember(self, tx: sa.Connection, day: date, seen: Remembered) -> None:
        tx.execute(rollup_day.delete().where(rollup_day.c.day == day))
        tx.execute(rollup_day.insert().values(day=day, facts_rows=seen.facts_rows, journal=seen.journal))

    def forget(self, tx: sa.Connection, before: date | None = None) -> None:
        """Forget what Facts held, of all days or of those before a day: it is summed up anew when it is needed."""
        for table in (rollup_day, rollup_live):
            tx.execute(table.delete().where(table.c.day < before) if before else table.delete())

    def remembered(self) -> dict[date, Remembered]:
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(rollup_day))
            return {row.day: Remembered(row.facts_rows, row.journal) for row in rows}

    def miscounted(self) -> set[date]:
        """Days whose objects in the journal are not those that are counted: an earlier version archived them."""
        journaled = sa.select(archive_object.c.archive_id, archive_object.c.generation)
        counted = sa.select(rollup_object.c.archive_id, rollup_object.c.generation)
        with self._database.reading() as connection:
            ours, theirs = ({Counted(*row) for row in connection.execute(each)} for each in (journaled, counted))
            windows = connection.execute(sa.select(archive.c.id, archive.c.creation_date))
            days = {window.id: window.creation_date for window in windows}
        return {days[each.archive_id] for each in ours ^ theirs if each.archive_id in days}

    def merged(self, connection: sa.Connection, first: date | None, last: date) -> Iterator[tuple[Pair, Moments]]:
        """The moments of every pair from local day `first` to `last`, by device and sensor, as they arrive."""
        span = f"day <= '{last}'" if first is None else f"day BETWEEN '{first}' AND '{last}'"
        parts = " UNION ALL ".join(f"SELECT {_COLUMNS} FROM {t.name} WHERE {span}" for t in (rollup, rollup_live))
        total = _TOTAL[self._database.dialect]
        sums = f"SUM(n),{total}(sum_x),{total}(sum_x2),MIN(min_x),MAX(max_x)"
        query = f"SELECT device,sensor,{sums} FROM ({parts}) AS parts GROUP BY device,sensor ORDER BY device,sensor"
        for device, sensor, *numbers in connection.execution_options(stream_results=True).exec_driver_sql(query):
            yield Pair(bytes(device), sensor), Moments(*map(int, numbers))

    def of_device(self, connection: sa.Connection, device: bytes, since: date) -> dict[date, dict[int, Moments]]:
        """The moments of one device, archived and live together, by local day from `since` on and by sensor."""
        planned = sa.select(archive.c.creation_date).where(archive.c.creation_date >= since).distinct()
        summed_up = sa.select(rollup_day.c.day).where(rollup_day.c.day >= since)
        days = sorted({day for query in (planned, summed_up) for day in connection.execute(query).scalars()})
        found: dict[date, dict[int, Moments]] = {}
        for table in (rollup, rollup_live):
            # Day by day, for the key begins with it.
            for row in connection.execute(sa.select(table).where(table.c.day.in_(days), table.c.device == device)):
                moments = Moments(*map(int, (row.n, row.sum_x, row.sum_x2, row.min_x, row.max_x)))
                its = found.setdefault(row.day, {})
                its[row.sensor] = its[row.sensor] + moments if row.sensor in its else moments
        return found

    def _listed(self, tx: sa.Connection, day: date) -> set[Counted]:
        query = sa.select(rollup_object.c.archive_id, rollup_object.c.generation)
        query = query.join(archive, archive.c.id == rollup_object.c.archive_id).where(archive.c.creation_date == day)
        return {Counted(*row) for row in tx.execute(query)}

    def _add(self, tx: sa.Connection, table: sa.Table, day: date, moments: Mapping[Pair, Moments]) -> None:
        waiting = iter(moments.items())
        while chunk := list(islice(waiting, _STATEMENT_PAIRS)):
            values = ",".join(_spelled(day, pair, found) for pair, found in chunk)
            tx.exec_driver_sql(f"INSERT INTO {table.name} ({_COLUMNS}) VALUES {values} {_ADD[self._database.dialect]}")


def _spelled(day: date, pair: Pair, found: Moments) -> str:
    """As SQL: digits, and a name's bytes as hexadecimal digits."""
    sums = f"{found.n},'{found.sum_x}','{found.sum_x2}',{found.min_x},{found.max_x}"
    return f"('{day}',X'{pair.device.hex()}',{pair.sensor},{sums})"
