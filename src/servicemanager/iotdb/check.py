"""What a database looks like to ServiceManager: what it found, and what is in the way or would make it faster.

Looks only. What may not be looked at with the user's rights is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa

from servicemanager.errors import DatabaseBusy, DatabaseRefused, ServiceManagerError
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.partition_ahead import SHORT, look_ahead
from servicemanager.iotdb.partitions import read_layout
from servicemanager.iotdb.twins import unproven

FACTS_INDEX = "ALTER TABLE Facts ADD INDEX facts_creation (creationDate)"
#: Longer ones keep the server from cleaning up behind deleted rows.
_LONG_SECONDS = 60
_SKEW_SECONDS = 60


class Grade(StrEnum):
    """How much a finding matters."""

    FINE = "fine"
    ADVICE = "advice"  # works, but could be better
    PROBLEM = "problem"  # something will not work
    UNKNOWN = "unknown"  # we may not look


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    found: str
    grade: Grade = Grade.FINE
    advice: str = ""


def check(database: Database, facts: Facts, cutoff: datetime) -> Iterator[Finding]:
    """Findings about the server, then about Facts; `cutoff` says which rows are past their retention."""
    yield Finding("database", database.place)
    yield _clock(database)
    if database.dialect == "mysql":
        yield from _server(database)
    yield from _table(database, facts, cutoff)


def _clock(database: Database) -> Finding:
    with database.reading() as connection:
        difference = (database.now(connection) - datetime.now(UTC)).total_seconds()
    found = f"{difference:+.1f} seconds from this machine's"
    if abs(difference) <= _SKEW_SECONDS:
        return Finding("clock", found)
    return Finding("clock", found, Grade.ADVICE, "Let both machines keep time by NTP; the database's clock counts.")


def _server(database: Database) -> Iterator[Finding]:
    yield Finding("server", _one(database, "SELECT CONCAT(@@version, ' ', @@version_comment)"))
    yield _binlog(database)
    yield _replicas(database)
    yield _rights(database)
    yield _long_transactions(database)


def _binlog(database: Database) -> Finding:
    if _one(database, "SELECT @@log_bin") == "0":
        return Finding("binary log", "off")
    found = _one(database, "SELECT @@global.binlog_format")
    if found != "STATEMENT":
        return Finding("binary log", found)
    return Finding("binary log", found, Grade.ADVICE, "Set binlog_format to ROW or MIXED for the whole server.")


def _replicas(database: Database) -> Finding:
    query = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE LEFT(COMMAND, 11) = 'Binlog Dump'"
    return Finding("replicas connected", _one(database, query) + ", as far as the user may see")


def _rights(database: Database) -> Finding:
    with database.reading() as connection:
        found = "; ".join(str(row[0]).split(" IDENTIFIED BY ")[0] for row in connection.exec_driver_sql("SHOW GRANTS"))
    try:
        with database.transaction() as tx:
            tx.exec_driver_sql("DELETE FROM Facts WHERE 1 = 0")
    except DatabaseRefused as error:
        return Finding("rights", found, Grade.ADVICE, f"Nothing can be purged. {error}")
    return Finding("rights", found)


def _long_transactions(database: Database) -> Finding:
    query = (
        "SELECT COUNT(*) FROM information_schema.INNODB_TRX "
        f"WHERE trx_started < NOW() - INTERVAL {_LONG_SECONDS} SECOND"
    )
    try:
        count = _one(database, query)
    except ServiceManagerError:
        return Finding("long transactions", "the right PROCESS is missing", Grade.UNKNOWN)
    if count == "0":
        return Finding("long transactions", "none")
    advice = "End them: they keep the server from cleaning up behind deleted rows, and block index changes."
    return Finding("long transactions", f"{count} longer than {_LONG_SECONDS} s", Grade.ADVICE, advice)


def _table(database: Database, facts: Facts, cutoff: datetime) -> Iterator[Finding]:
    shape = facts.shape
    kind = f"DATETIME, wall time of {shape.wall_zone.key}" if shape.wall_zone else "TIMESTAMP"
    yield Finding("Facts.creationDate", kind)
    if shape.extra:
        advice = "The archive would not hold them, so nothing is purged."
        yield Finding("other columns of Facts", ", ".join(shape.extra), Grade.PROBLEM, advice)
    if shape.indexed:
        yield Finding("index on creationDate", "yes")
    else:
        advice = "Each day is a scan of the whole table. Add it with: servicemanager db upgrade --facts-index"
        yield Finding("index on creationDate", "no", Grade.ADVICE, advice)
    if database.dialect == "mysql":
        yield from _partitions(database, facts)
    yield from _rows(database, facts, cutoff)


def _partitions(database: Database, facts: Facts) -> Iterator[Finding]:
    layout, ahead = read_layout(database), look_ahead(database, facts)
    with database.reading() as connection:
        now, waiting = database.now(connection), unproven(connection)
    if ahead is None:
        yield Finding("partitions of Facts", layout.otherwise or "none")
    else:
        found = f"{len(layout.partitions)} by days of arrival, up to {ahead.until:%Y-%m-%d %H:%M} UTC"
        if ahead.rows_beyond or ahead.until - now < SHORT:
            advice = "Days to come lack a partition, or have rows already: servicemanager db partition --apply."
            yield Finding("partitions of Facts", found, Grade.ADVICE, advice)
        else:
            yield Finding("partitions of Facts", found)
    if waiting:
        advice = "Rows of Facts may wait in there, which a run detached: the next export begins with them."
        yield Finding("detached partitions", ", ".join(waiting), Grade.ADVICE, advice)


def _rows(database: Database, facts: Facts, cutoff: datetime) -> Iterator[Finding]:
    due = facts.count_before(cutoff)
    oldest = _one(database, "SELECT MIN(creationDate) FROM Facts") if due else "none"
    yield Finding("rows past retention", f"{due:,}")
    yield Finding("rows not due yet", f"{facts.count_from(cutoff):,}")
    yield Finding("oldest creationDate, as stored", oldest)
    dateless = facts.count_dateless()
    if dateless:
        advice = "No window holds these rows: correct their creationDate by hand."
        yield Finding("rows without a date", f"{dateless:,}", Grade.PROBLEM, advice)


def _one(database: Database, query: str) -> str:
    with database.reading() as connection:
        return str(connection.exec_driver_sql(query).scalar())


def add_facts_index(database: Database, wait_seconds: int = 1) -> None:
    """Add the index while the gateway goes on inserting.

    Raises DatabaseBusy when a transaction keeps the table for longer than `wait_seconds`: nothing was changed. That
    is short because inserts wait behind whoever waits for the table.
    """
    try:
        _add_facts_index(database, wait_seconds)
    except DatabaseBusy as error:
        raise DatabaseBusy(
            f"The index was not added, and nothing was changed: a transaction at {database.place} has Facts in use, "
            "and inserts would wait behind us. End it, or try again when it is over; servicemanager db check shows "
            "long ones."
        ) from error


def _add_facts_index(database: Database, wait_seconds: int) -> None:
    with database.reading() as connection:
        if database.dialect == "sqlite":
            connection.execute(sa.text("CREATE INDEX IF NOT EXISTS facts_creation ON Facts (creationDate)"))
            return
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {wait_seconds}")
        try:
            connection.exec_driver_sql(f"{FACTS_INDEX}, ALGORITHM=INPLACE, LOCK=NONE")
        finally:
            connection.invalidate()
