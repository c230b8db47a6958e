"""Twins: tables just like Facts, which rows of a partition are detached into, and the journal of them.

DDL commits by itself, so no fence holds it back: what a deposed run does may take effect at any later moment. That is
harmless because no two runs use a twin of the same name, a run exchanges a partition for its twin at most once, a
twin that seems empty is closed to exchanges before it is looked at again and dropped, and any other one goes only when
the journal says, by a fenced transaction, that its rows were proven.

No table is locked for this: LOCK TABLES holds one node of a cluster only, and a change of the table under it waits for
ever behind what another node has inserted meanwhile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.partitions import TWIN
from servicemanager.iotdb.spelling import quoted
from servicemanager.iotdb.tables import detached
from servicemanager.iotdb.window import Window

#: As `twin_name` makes them. What somebody else called similarly is not ours to move.
_TWIN = re.compile(TWIN + r"\d{8}_\d{6}_\d+")
#: A column that Facts lacks: a table that has it is not just like Facts, so nothing can be exchanged for it.
_CLOSED = "sm_closed"
#: The server never writes a line's end into the description of a column.
_PARTITIONED = re.compile(r"\n\s*(?:/\*!\d+ )?PARTITION BY ", re.IGNORECASE)


class State(StrEnum):
    """How far a twin has come."""

    INTENDED = "intended"  # it may exist, and may hold rows that nobody else has
    PROVEN = "proven"  # the archive holds its rows, and they count as purged: it can go


@dataclass(frozen=True)
class Twin:
    """A twin as the journal knows it."""

    name: str
    partition: str
    #: Arrivals that the partition took when it was planned.
    span: Window
    term: int
    state: State = State.INTENDED


def twin_name(span: Window, term: int) -> str:
    """Of a partition and a run; never used again."""
    return f"{TWIN}{span.start_at:%Y%m%d_%H%M%S}_{term}"


def intend(tx: sa.Connection, twin: Twin) -> None:
    tx.execute(
        detached.insert().values(
            name=twin.name,
            partition_name=twin.partition,
            start_at=twin.span.start_at,
            end_at=twin.span.end_at,
            term=twin.term,
            state=twin.state.value,
        )
    )


def mark_proven(tx: sa.Connection, name: str) -> bool:
    """False where the journal does not know it, or knows it as proven."""
    statement = detached.update().where(detached.c.name == name, detached.c.state == State.INTENDED.value)
    return tx.execute(statement.values(state=State.PROVEN.value)).rowcount == 1


def forget(tx: sa.Connection, name: str) -> None:
    tx.execute(detached.delete().where(detached.c.name == name))


def journaled(connection: sa.Connection) -> dict[str, Twin]:
    """Every twin that the journal knows, whether it exists or not."""
    return {
        row.name: Twin(row.name, row.partition_name, Window(row.start_at, row.end_at), row.term, State(row.state))
        for row in connection.execute(sa.select(detached).order_by(detached.c.name))
    }


def existing(connection: sa.Connection) -> list[str]:
    """Every twin that there is, whether the journal knows it or not."""
    if connection.dialect.name == "sqlite":
        return []
    query = sa.text(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() "
        "AND LEFT(TABLE_NAME, :length) = :prefix ORDER BY TABLE_NAME"
    )
    found = connection.execute(query, {"length": len(TWIN), "prefix": TWIN}).scalars()
    return [name for name in found if _TWIN.fullmatch(name)]


def unproven(connection: sa.Connection) -> list[str]:
    """The twins that may hold rows which belong to Facts."""
    known = journaled(connection)
    return [name for name in existing(connection) if name not in known or known[name].state is not State.PROVEN]


def create(database: Database, name: str) -> None:
    """Make an empty one. Fails where there is one of that name."""
    with database.reading() as connection:
        spelled = str(connection.exec_driver_sql("SHOW CREATE TABLE Facts").one()[1])
        # CREATE TABLE … LIKE would make as many partitions first.
        columns = _PARTITIONED.split(spelled, maxsplit=1)[0]
        _, found, rest = columns.partition("(")
        connection.exec_driver_sql(f"CREATE TABLE {name} {found}{rest}".replace("%", "%%"))


def exchange(database: Database, partition: str, name: str) -> None:
    """Let partition and twin change places. Raises DatabaseBusy only where that did not happen."""
    with database.reading() as connection:
        connection.exec_driver_sql(f"ALTER TABLE Facts EXCHANGE PARTITION {quoted(partition)} WITH TABLE {name}")


def drop(database: Database, name: str) -> None:
    with database.reading() as connection:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


def is_empty(connection: sa.Connection, name: str) -> bool:
    return connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 1").first() is None  # noqa: S608 -- a name of ours


def drop_if_empty(database: Database, name: str) -> bool:
    """Whether it was. What a deposed run exchanges for it comes before its closing, and is seen, or is refused."""
    with database.reading() as connection:
        if connection.exec_driver_sql(f"SHOW COLUMNS FROM {name} LIKE '{_CLOSED}'").first() is None:
            connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {_CLOSED} TINYINT")
        if not is_empty(connection, name):
            return False
        connection.exec_driver_sql(f"DROP TABLE {name}")
    return True
