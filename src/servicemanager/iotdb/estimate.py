"""How many rows a table has, roughly, without reading them."""

from __future__ import annotations

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database

_BY_SERVER = sa.text(
    "SELECT table_rows FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :name"
)

_UNDIVIDED = sa.text(f"{_BY_SERVER.text} AND create_options NOT LIKE '%partitioned%'")


def estimated_rows(database: Database, connection: sa.Connection, table: sa.Table) -> int | None:
    """The server's own estimate; of the embedded database the span of its row numbers. None where there is none."""
    if database.dialect == "mysql":
        found = connection.execute(_BY_SERVER, {"name": table.name}).scalar()
        return None if found is None else int(found)
    # One after the other: each is one step down the tree, both together would read it all.
    number: sa.ColumnClause[int] = sa.literal_column("rowid", sa.Integer)
    first, last = (connection.execute(sa.select(end(number)).select_from(table)).scalar() for end in _ENDS)
    return 0 if first is None or last is None else int(last) - int(first) + 1


def scanned_rows(database: Database, table: str) -> int:
    """About how many rows a server scans where it uses no index; 0 where that does not matter.

    Of a partitioned table it scans no more than the partitions in question.
    """
    if database.dialect != "mysql":
        return 0
    with database.reading() as connection:
        return int(connection.execute(_UNDIVIDED, {"name": table}).scalar() or 0)


_ENDS = (sa.func.min, sa.func.max)
