"""The change that turns Facts into a table partitioned by days of arrival: planned, checked, made.

A plan says what the change costs and what is in its way; it is made only where nothing is. The change is one
statement of the server's, which copies the table: readers go on, inserts wait until it is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import stamina

from servicemanager.errors import DatabaseBusy, DatabaseRefused, RightMissing, ServiceManagerError
from servicemanager.iotdb.ddl import in_the_way, locked
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.partition_costs import free_on_server, sample_copy, size_of_facts
from servicemanager.iotdb.partitions import (
    AHEAD_DAYS,
    TWIN,
    Layout,
    count_in,
    extension,
    partitioning,
    read_layout,
)
from servicemanager.iotdb.window import Calendar

#: More days back than this get no partition of their own: each costs files, and every query by device a look.
_PAST = timedelta(days=92)
#: What a copy may be longer than its original, whose pages may be fuller.
_ROOM = 1.25
#: Where nothing can be measured: of InnoDB on the two-core machine of the benchmarks.
_ROWS_PER_SECOND = 100_000
PASSED_BY = "Facts has triggers, which rows that leave with their partition would pass by."
_TRIES = 3
#: A try that failed after so many seconds has copied in vain, and is not repeated.
_EARLY = 10


@dataclass(frozen=True)
class PartitionPlan:
    """What would be done, what it costs, and why it can't be; nothing where `statement` is empty."""

    statement: str
    #: As the server estimates them.
    rows: int = 0
    bytes_needed: int = 0
    #: None where nobody can tell.
    bytes_free: int | None = None
    seconds: float = 0
    #: How many rows were copied to tell how long it takes; 0 where that could not be measured.
    sampled: int = 0
    partitions: int = 0
    #: Whether a key tells each row from all others, as the tools for a change without interruption want.
    has_key: bool = False
    notices: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()


def plan_partitions(database: Database, facts: Facts, calendar: Calendar, free: int | None = None) -> PartitionPlan:
    """`free` is what a person says of the server's disk, in bytes. Nothing of the platform is changed."""
    if database.dialect == "sqlite":
        return PartitionPlan("", obstacles=("The embedded database has no partitions: use MySQL or MariaDB.",))
    layout = read_layout(database)
    with database.reading() as connection:
        now = database.now(connection)
    if layout.by_arrival:
        return _plan_extension(database, facts, calendar, layout, now)
    if layout.otherwise:
        sentence = f"Facts is partitioned otherwise, by {layout.otherwise}, and is left so: rows are purged one by one."
        return PartitionPlan("", obstacles=(sentence,))
    return _plan_change(database, facts, calendar, now, free)


def _plan_extension(
    database: Database, facts: Facts, calendar: Calendar, layout: Layout, now: datetime
) -> PartitionPlan:
    further = extension(facts, calendar, layout, calendar.day_of(now))
    rows = count_in(database, layout.partitions[-1])
    notices = ("Facts is partitioned by days of arrival already.",)
    if further is None:
        return PartitionPlan("", partitions=len(layout.partitions), rows=rows, notices=notices)
    return PartitionPlan(
        f"ALTER TABLE Facts {further}",
        rows=rows,
        seconds=rows / _ROWS_PER_SECOND,
        partitions=further.count(" VALUES LESS THAN "),
        notices=(*notices, "The days that lack a partition get one, and the rows in the last one move there."),
        obstacles=tuple(_missing_rights(database)),
    )


def _plan_change(
    database: Database, facts: Facts, calendar: Calendar, now: datetime, free: int | None
) -> PartitionPlan:
    today = calendar.day_of(now)
    oldest = facts.oldest_before(now)
    first = max(calendar.day_of(oldest), today - _PAST) if oldest else today
    clause = partitioning(facts, calendar, first, today + timedelta(days=AHEAD_DAYS))
    size, rows = size_of_facts(database)
    sampled, seconds = sample_copy(database)
    needed, free = int(size * _ROOM), free_on_server(database) if free is None else free
    with database.reading() as connection:
        inspector = sa.inspect(connection)
        keys = _unique_keys(inspector)
        foreign = bool(inspector.get_foreign_keys("Facts")) or _referring(connection)
    dateless, astray = facts.count_dateless(), facts.count_dateless(calendar.start_of(first))
    return PartitionPlan(
        f"ALTER TABLE Facts {clause}",
        rows,
        needed,
        free,
        rows * seconds / sampled if sampled else rows / _ROWS_PER_SECOND,
        sampled,
        clause.count(" VALUES LESS THAN "),
        bool(keys),
        tuple(_notices(facts, dateless, facts.count_before(calendar.start_of(first)) if oldest else 0)),
        (
            *_missing_rights(database),
            *_wrong_keys(keys, foreign=foreign),
            *_wrong_column(facts, astray),
            *_no_room(needed, free),
        ),
    )


def _notices(facts: Facts, dateless: int, older: int) -> Iterator[str]:
    if dateless:
        yield f"{dateless:,} rows have no date: they stay in the first partition until somebody corrects them."
    if older:
        yield (
            f"{older:,} rows are older than the first day: they get into the first partition, and are purged from "
            "there one by one. Let an export run first: what it purges need not be copied."
        )
    if not facts.shape.indexed:
        yield (
            "Facts has no index on creationDate, and partitions are no substitute: servicemanager db upgrade "
            "--facts-index adds it."
        )


def _wrong_keys(keys: list[list[str]], *, foreign: bool) -> Iterator[str]:
    for key in keys:
        if "creationDate" not in key:
            yield (
                f"The unique key ({', '.join(key)}) of Facts lacks creationDate, which each unique key of a "
                "partitioned table must hold: extend it, or drop it."
            )
    if foreign:
        yield "Facts has or is the target of a foreign key, which a partitioned table can't have: drop it first."


def _wrong_column(facts: Facts, astray: int) -> Iterator[str]:
    if facts.shape.fractions and not facts.shape.wall_zone:
        yield (
            "Facts.creationDate is a TIMESTAMP with parts of seconds, by which the server can't cut exactly at "
            "midnight: make it a plain TIMESTAMP first."
        )
    if astray:
        yield (
            f"{astray:,} rows have a creationDate that is no point in time, such as the 0th of a month, and would get "
            "into the partitions of days: correct them first."
        )


def _no_room(needed: int, free: int | None) -> Iterator[str]:
    if free is None:
        yield (
            "Nobody can tell from here how much room the server's disk has (it is not this machine, and its plugin "
            "DISKS is not installed): look there, and say so with --free-gib."
        )
    elif free < needed:
        yield (
            f"The change needs about {_gib(needed)} for the copy, and the server's disk has {_gib(free)} left: make "
            "room there."
        )


def _gib(size: int) -> str:
    return f"{size / (1 << 30):,.1f} GiB"


def hindrances(database: Database) -> Iterator[str]:
    """Why no partition can leave Facts as a whole, although the table is partitioned for that."""
    if has_triggers(database):
        yield PASSED_BY
    yield from _missing_rights(database)


def has_triggers(database: Database) -> bool:
    query = (
        "SELECT 1 FROM information_schema.TRIGGERS "
        "WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = 'Facts' LIMIT 1"
    )
    with database.reading() as connection:
        return connection.exec_driver_sql(query).first() is not None


def _missing_rights(database: Database) -> Iterator[str]:
    """What the change and the purge by partitions need besides; asked by statements that can't succeed."""
    probes = (
        f"ALTER TABLE Facts EXCHANGE PARTITION sm_probe WITH TABLE {TWIN}probe",
        f"SELECT 1 FROM {TWIN}probe",
        f"DELETE FROM {TWIN}probe",
        "LOCK TABLES sm_migration READ",
        "UPDATE sm_detached SET term = 0 WHERE 1 = 0",
    )
    for probe in probes:
        try:
            with database.reading() as connection:
                connection.exec_driver_sql(probe)
                connection.exec_driver_sql("UNLOCK TABLES")
        except RightMissing as error:
            yield f"{error} {grant(database)}"
            return
        except ServiceManagerError:
            continue  # as it should: there is no such table


def grant(database: Database) -> str:
    """The names of the tables that partitions are detached into change, so no right on a single table will do."""
    schema = database.place.rsplit("/", 1)[-1]
    rights, account = "ALTER, CREATE, DELETE, DROP, INSERT, LOCK TABLES, SELECT", database.account()
    return (
        f"Partitions need, on the schema: GRANT {rights} ON `{schema}`.* TO {account}; "
        f"GRANT CREATE, UPDATE ON `{schema}`.`sm_detached` TO {account};"
    )


def _unique_keys(inspector: Any) -> list[list[str]]:
    primary = inspector.get_pk_constraint("Facts")["constrained_columns"]
    unique = [index["column_names"] for index in inspector.get_indexes("Facts") if index["unique"]]
    return [[str(name) for name in key] for key in (primary, *unique) if key]


def _referring(connection: sa.Connection) -> bool:
    query = (
        "SELECT 1 FROM information_schema.KEY_COLUMN_USAGE "
        "WHERE REFERENCED_TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME = 'Facts' LIMIT 1"
    )
    return connection.exec_driver_sql(query).first() is not None


def apply_partitions(database: Database, plan: PartitionPlan) -> None:
    """Make the change. Raises DatabaseRefused where something is in its way, DatabaseBusy where somebody is."""
    if plan.obstacles:
        raise DatabaseRefused(" ".join(plan.obstacles))
    began = time.monotonic()
    try:
        for attempt in stamina.retry_context(on=_early(began), attempts=_TRIES, timeout=None, wait_max=2.0):
            with attempt:
                # Whoever only reads is in the way at the end, when everything was copied: so ask everybody first.
                with locked(database, "Facts"):
                    pass
                with database.reading() as connection:
                    connection.exec_driver_sql(plan.statement)
    except DatabaseBusy as error:
        raise DatabaseBusy(
            f"Facts was not changed: a transaction at {database.place} has it in use, and inserts would wait behind us "
            f"for as long as it does. {in_the_way(database)}"
        ) from error


def _early(began: float) -> Callable[[Exception], bool]:
    return lambda error: isinstance(error, DatabaseBusy) and time.monotonic() - began < _EARLY
