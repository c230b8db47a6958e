"""The table of its own that readings are restored into: made where it is missing, refused where it can't hold them.

What is put down of a table in `sm_restore` holds only as long as the table holds rows: one that was
dropped or emptied since begins anew, also when the run that noticed was killed on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from servicemanager.cluster.lease import Lease
from servicemanager.errors import ArchiveRefused
from servicemanager.iotdb import tables
from servicemanager.iotdb.columns import COLUMNS, STRINGS
from servicemanager.iotdb.engine import Database

_CREATION = "creationDate"


def prepare_target(database: Database, name: str, lease: Lease) -> None:
    """See to a table `name` that is empty or holds nothing but what was restored. Raises ArchiveRefused."""
    with database.reading() as connection:
        exists = sa.inspect(connection).has_table(name)
    if not exists:
        with database.transaction() as tx:
            lease.pass_fence(tx)
            _create_like_facts(database, tx, name)
    with database.transaction() as tx:
        lease.pass_fence(tx)
        _check_rows(tx, name)
    with database.reading() as connection:
        _check_keys(sa.inspect(connection), name)
        if database.dialect == "mysql":
            _check_engine(connection, name)
            _check_kinds(sa.inspect(connection), name)


def _create_like_facts(database: Database, tx: sa.Connection, name: str) -> None:
    if database.dialect == "mysql":
        tx.exec_driver_sql(f"CREATE TABLE {name} LIKE Facts")
    else:
        facts = sa.Table("Facts", sa.MetaData(), autoload_with=tx)
        tx.execute(sa.schema.CreateTable(facts.to_metadata(sa.MetaData(), name=name)))


def _check_rows(tx: sa.Connection, name: str) -> None:
    ours = tables.restore.c.target == name
    if tx.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 1").first() is None:  # noqa: S608 -- an identifier
        tx.execute(tables.restore.delete().where(ours))
    elif tx.execute(sa.select(tables.restore.c.chunk).where(ours).limit(1)).first() is None:
        raise ArchiveRefused(f"The table {name} holds rows that were not restored: name another one with --into.")


def _check_keys(inspector: sa.Inspector, name: str) -> None:
    """Identical readings are legal, so no key may forbid them."""
    keys: list[Sequence[str | None]] = [inspector.get_pk_constraint(name)["constrained_columns"]]
    keys += [index["column_names"] for index in inspector.get_indexes(name) if index["unique"]]
    keys += [key["column_names"] for key in inspector.get_unique_constraints(name)]
    for key in keys:
        if key and {*key} <= {*COLUMNS, _CREATION}:
            raise ArchiveRefused(
                f"The table {name} has a unique key ({', '.join(map(str, key))}), and identical readings are legal: "
                "drop it, or name another table with --into."
            )


def _check_engine(connection: sa.Connection, name: str) -> None:
    """Rows of an engine without transactions stay although the run that brought them failed."""
    query = sa.text(
        "SELECT e.TRANSACTIONS FROM information_schema.TABLES t JOIN information_schema.ENGINES e ON e.ENGINE = "
        "t.ENGINE WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = :name"
    )
    if connection.execute(query, {"name": name}).scalar() != "YES":
        raise ArchiveRefused(
            f"{name} is not a table with transactions, so a run that fails could leave rows twice: make it ENGINE="
            "InnoDB, or name another one with --into."
        )


def _check_kinds(inspector: sa.Inspector, name: str) -> None:
    """Refuse what the server would change without a word: kinds of texts and times. The rest it refuses itself."""
    theirs, own = (_kinds(inspector, table) for table in (name, "Facts"))
    differing = [column for column in own if column in theirs and theirs[column] != own[column]]
    if differing:
        raise ArchiveRefused(
            f"The table {name} would not hold the readings as they were ({', '.join(differing)} is of another type "
            "than in Facts): name another one with --into, which then is made."
        )


def _kinds(inspector: sa.Inspector, table: str) -> dict[str, Any]:
    types = {column["name"]: column["type"] for column in inspector.get_columns(table)}
    fraction = {name: getattr(kind, "fsp", None) or 0 for name, kind in types.items()}
    return {name: (type(types[name]), fraction[name]) for name in (*STRINGS, _CREATION) if name in types}
