"""Facts partitioned by days of arrival: as the server tells it, and as it is told to the server.

The first partition takes what is older than all days, and the last one, which is to be empty, what is younger. A day
whose partition is gone belongs to the one before it, mostly the first. Bounds are values as they are stored: UTC in a
TIMESTAMP column, wall times in a DATETIME column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.spelling import literal, quoted
from servicemanager.iotdb.window import SECOND, Calendar, Window, from_epoch, to_epoch

if TYPE_CHECKING:
    # It brings pyarrow, which whoever only looks at what was measured does without.
    from servicemanager.iotdb.facts import Facts

#: So many days after today have a partition of their own.
AHEAD_DAYS = 14
OLDER, FUTURE = "p_older", "p_future"
#: No table of the platform begins so: rows that were detached from Facts wait in such a one until they are proven.
TWIN = "sm_twin_"
_BY_ARRIVAL = {("RANGE", "unix_timestamp(creationdate)"), ("RANGE COLUMNS", "creationdate")}


@dataclass(frozen=True)
class Partition:
    """Rows with ``begin <= creationDate < end``, as stored; None where there is no bound."""

    name: str
    begin: datetime | None
    end: datetime | None

    def holds(self, start: datetime, end: datetime) -> bool:
        return (self.begin is None or self.begin <= start) and (self.end is None or end <= self.end)

    def touches(self, start: datetime, end: datetime) -> bool:
        return (self.begin is None or self.begin < end) and (self.end is None or start < self.end)


@dataclass(frozen=True)
class Layout:
    """The partitions of a table, oldest first; none where it has none that are ours to keep."""

    partitions: tuple[Partition, ...] = ()
    #: How the table is partitioned, where that is not by arrival.
    otherwise: str = ""

    @property
    def by_arrival(self) -> bool:
        return bool(self.partitions)

    @property
    def days(self) -> tuple[Partition, ...]:
        """Without the first one and the last one."""
        return self.partitions[1:-1]

    @property
    def until(self) -> datetime | None:
        """From when on rows get into the last partition."""
        return self.partitions[-1].begin if self.partitions else None


def read_layout(database: Database, table: str = "Facts") -> Layout:
    """What the server says of `table`; the embedded database has no partitions."""
    if database.dialect == "sqlite":
        return Layout()
    query = sa.text(
        "SELECT PARTITION_NAME, PARTITION_METHOD, PARTITION_EXPRESSION, PARTITION_DESCRIPTION, SUBPARTITION_METHOD "
        "FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = :table "
        "AND PARTITION_NAME IS NOT NULL ORDER BY PARTITION_ORDINAL_POSITION"
    )
    with database.reading() as connection:
        found = [tuple(row) for row in connection.execute(query, {"table": table})]
    if not found:
        return Layout()
    _, method, expression, last, sub = found[-1]
    spelled = str(expression).replace("`", "").replace(" ", "").lower()
    if (method, spelled) not in _BY_ARRIVAL or sub or last != "MAXVALUE":
        return Layout(otherwise=f"{method} ({expression})")
    ends = [_stored(row[3]) for row in found]
    begins = [None, *ends[:-1]]
    return Layout(tuple(Partition(row[0], b, e) for row, b, e in zip(found, begins, ends, strict=True)))


def _stored(description: str) -> datetime | None:
    if description == "MAXVALUE":
        return None
    if description.startswith("'"):
        return datetime.fromisoformat(description.strip("'"))
    return from_epoch(int(description)).replace(tzinfo=None)


def partitioning(facts: Facts, calendar: Calendar, first: date, last: date) -> str:
    """What follows ALTER TABLE Facts, for a partition of each day from `first` to `last`."""
    days = _days(first, last)
    bounds = [(OLDER, calendar.start_of(first)), *((_name(day), calendar.day(day).end_at) for day in days)]
    how = "RANGE COLUMNS (creationDate)" if facts.shape.wall_zone else "RANGE (UNIX_TIMESTAMP(creationDate))"
    return f"PARTITION BY {how} ({_spelled(facts, bounds)})"


def extension(facts: Facts, calendar: Calendar, layout: Layout, today: date) -> str | None:
    """What follows ALTER TABLE Facts to give each day up to AHEAD_DAYS a partition; None where each has one."""
    until, wanted = layout.until, calendar.day(today + timedelta(days=AHEAD_DAYS)).end_at
    if until is None or facts.time.to_stored(wanted) <= until:
        return None
    # Where the zone was changed, this is the rest of a day of the new one.
    begun = calendar.day_of(facts.time.to_window(until, until + SECOND).start_at)
    ends = [(_name(day), calendar.day(day).end_at) for day in _days(begun, today + timedelta(days=AHEAD_DAYS))]
    taken = {partition.name for partition in layout.partitions}
    bounds = [(f"{name}_2" if name in taken else name, end) for name, end in ends]
    return f"REORGANIZE PARTITION {quoted(layout.partitions[-1].name)} INTO ({_spelled(facts, bounds, layout)})"


def mergers(layout: Layout, emptied: Collection[str], most: int) -> Iterator[tuple[Partition, ...]]:
    """Neighbours that can become one, oldest first, `most` of them `emptied`; the one before those takes them up.

    The first partition is among them if it is named in `emptied`, and a day that was kept is not.
    """
    groups: list[list[Partition]] = [[]]
    for partition in layout.partitions[:-1]:
        if partition.name in emptied:
            groups[-1].append(partition)
        else:
            groups.append([])
    for first, *others in filter(None, groups):
        for at in range(0, len(others), most):
            yield (first, *others[at : at + most])


def merge(facts: Facts, together: Sequence[Partition]) -> str:
    """What follows ALTER TABLE Facts to make neighbours one, under the name of the first; rows in them stay."""
    names, end = ", ".join(quoted(each.name) for each in together), together[-1].end
    assert end is not None  # noqa: S101 -- the last partition is never among them
    return (
        f"REORGANIZE PARTITION {names} INTO "
        f"(PARTITION {quoted(together[0].name)} VALUES LESS THAN ({_stored_bound(facts, end)}))"
    )


def count_in(database: Database, partition: Partition, limit: int | None = None, table: str = "Facts") -> int:
    """Rows in one partition, counted no further than `limit`."""
    rows = f"SELECT 1 FROM {table} PARTITION ({quoted(partition.name)})" + (f" LIMIT {limit}" if limit else "")
    with database.reading() as connection:
        return int(connection.exec_driver_sql(f"SELECT COUNT(*) FROM ({rows}) AS counted").scalar_one())


def span_of(facts: Facts, partition: Partition) -> Window:
    """A partition with both bounds, in UTC."""
    assert partition.begin is not None and partition.end is not None  # noqa: S101, PT018 -- neither first nor last
    return facts.time.to_window(partition.begin, partition.end)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _name(day: date) -> str:
    return f"p{day:%Y%m%d}"


def _spelled(facts: Facts, bounds: Sequence[tuple[str, datetime]], layout: Layout | None = None) -> str:
    """Partitions that end so; the last one takes the rest."""
    last = layout.partitions[-1].name if layout else FUTURE
    parts = [f"PARTITION {quoted(name)} VALUES LESS THAN ({_bound(facts, end)})" for name, end in bounds]
    rest = "(MAXVALUE)" if facts.shape.wall_zone else "MAXVALUE"
    return ", ".join([*parts, f"PARTITION {quoted(last)} VALUES LESS THAN {rest}"])


def _bound(facts: Facts, instant: datetime) -> str:
    return _stored_bound(facts, facts.time.to_stored(instant))


def _stored_bound(facts: Facts, stored: datetime) -> str:
    return literal(stored) if facts.shape.wall_zone else str(to_epoch(stored.replace(tzinfo=UTC)))
