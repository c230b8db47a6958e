"""What the table Facts looks like in this installation."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from servicemanager.errors import DatabaseRefused
from servicemanager.iotdb.columns import COLUMNS, INTEGERS, STRINGS
from servicemanager.iotdb.engine import Database

_CREATION = "creationDate"


@dataclass(frozen=True)
class Shape:
    """A description of the table: what we rely on, and what differs from one installation to the next."""

    nullable: frozenset[str]
    #: The zone of the wall time in a DATETIME column; None for a TIMESTAMP column.
    wall_zone: ZoneInfo | None
    #: Whether creationDate holds parts of seconds.
    fractions: bool
    #: The index that begins with creationDate, as it stands between its quotes; without it every window is a scan.
    index: str | None
    #: Whether the server holds all strings in UTF-8, under one collation.
    unicode: bool
    #: Columns that the platform's table does not have and the archive would not hold.
    extra: tuple[str, ...]
    #: Columns that the server computes from others.
    computed: frozenset[str] = frozenset()
    #: Whether readings have 64 bits.
    wide: bool = False
    table: str = "Facts"

    @property
    def indexed(self) -> bool:
        return self.index is not None


def describe(database: Database, datetime_zone: str, table: str = "Facts") -> Shape:
    """Raises DatabaseRefused where the table or a column is missing or of a type that we can't keep."""
    with database.reading() as connection:
        inspector = sa.inspect(connection)
        try:
            columns = {column["name"]: column for column in inspector.get_columns(table)}
            indexes = inspector.get_indexes(table)
        except sa.exc.NoSuchTableError as error:
            raise DatabaseRefused(
                f"There is no table {table} at {database.place}: check MYSQL_DATABASE, and the rights of the user."
            ) from error
        unicode = database.dialect == "mysql" and _unicode(connection, table)
    _require(set(columns), f"{table} at {database.place}")
    types = {name: column["type"] for name, column in columns.items()}
    _check_types(types, f"{table} at {database.place}")
    wall = database.dialect == "mysql" and isinstance(types[_CREATION], sa.DATETIME)
    return Shape(
        nullable=frozenset(name for name, column in columns.items() if column["nullable"]),
        wall_zone=ZoneInfo(datetime_zone) if wall else None,
        fractions=bool(getattr(types[_CREATION], "fsp", None)),
        unicode=unicode,
        index=next((str(each["name"]) for each in indexes if each["column_names"][:1] == [_CREATION]), None),
        extra=tuple(sorted(set(columns) - {*COLUMNS, _CREATION})),
        computed=frozenset(name for name, column in columns.items() if column.get("computed")),
        wide=isinstance(types["data"], sa.BigInteger),
        table=table,
    )


def _unicode(connection: sa.Connection, table: str) -> bool:
    query = sa.text(
        "SELECT DISTINCT character_set_name, collation_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = :table AND column_name IN :names"
    ).bindparams(sa.bindparam("names", STRINGS, expanding=True))
    found = connection.execute(query, {"table": table}).all()
    return len(found) == 1 and found[0][0] == "utf8mb4"


def _require(found: set[str], place: str) -> None:
    missing = [name for name in (*COLUMNS, _CREATION) if name not in found]
    if missing:
        raise DatabaseRefused(
            f"The table {place} lacks the column {', '.join(missing)}: is MYSQL_DATABASE the platform's?"
        )


def _check_types(types: dict[str, sa.types.TypeEngine[object]], place: str) -> None:
    """Refuse what would not come back from the archive as it was."""
    wrong = [name for name in STRINGS if not isinstance(types[name], sa.String)]
    wrong += [name for name in INTEGERS if not isinstance(types[name], sa.Integer) or _too_wide(types[name])]
    wrong += [] if isinstance(types[_CREATION], (sa.DateTime, sa.TIMESTAMP)) else [_CREATION]
    if wrong:
        kinds = ", ".join(f"{name} {types[name]}" for name in wrong)
        raise DatabaseRefused(f"{place} has columns of a type that the archive can't keep: {kinds}.")


def _too_wide(kind: sa.types.TypeEngine[object]) -> bool:
    return isinstance(kind, mysql.BIGINT) and bool(kind.unsigned)
