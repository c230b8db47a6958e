"""Databases that many hypothesis examples share: made once for a module, emptied before each example."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from os import getpid
from pathlib import Path

from servicemanager.iotdb import tables
from servicemanager.iotdb.columns import COLUMNS, STRINGS
from servicemanager.iotdb.upgrade import upgrade

from .iotdb import Iotdb, facts_ddl, mysql_iotdb, sqlite_iotdb
from .mariadb import Server

_names = count()
#: In memory where there is such a place: nobody cuts the power here.
_MEMORY = Path("/dev/shm")  # noqa: S108 -- the system's own name for it


@dataclass(frozen=True)
class Form:
    """How a table Facts was made in some installation."""

    name: str
    kind: str = "TIMESTAMP"
    indexed: bool = True
    integers: str = "INT"

    @property
    def embedded(self) -> bool:
        return self.name == "sqlite"

    @property
    def ddl(self) -> str:
        made = facts_ddl(kind=self.kind, indexed=self.indexed, nullable=True)
        return made.replace(
            "CURRENT_TIMESTAMP", f"CURRENT_TIMESTAMP{self.kind[9 if 'STAMP' in self.kind else 8 :]}"
        ).replace(" INT ", f" {self.integers} ")


def _sqlite_ddl() -> str:
    columns = [f"{name} {'VARCHAR(50)' if name in STRINGS else 'INTEGER'} NULL" for name in COLUMNS]
    return f"CREATE TABLE Facts ({', '.join(columns)}, creationDate TIMESTAMP NULL)"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is fast and soon gone."""
    with tempfile.TemporaryDirectory(prefix="sm-test-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def database_of(form: Form, server: Server | None) -> Iterator[Iotdb]:
    """A database of this form, with our tables, whose columns all may be NULL."""
    with _embedded() if form.embedded else _served(form, server) as made:
        upgrade(made.database)
        try:
            yield made
        finally:
            made.database.close()


@contextmanager
def _embedded() -> Iterator[Iotdb]:
    with scratch() as folder:
        made = sqlite_iotdb(folder / "iotdb.sqlite")
        made.execute("DROP TABLE Facts", _sqlite_ddl(), "CREATE INDEX arrival ON Facts (creationDate)")
        yield made


@contextmanager
def _served(form: Form, server: Server) -> Iterator[Iotdb]:
    name = f"form_{getpid()}_{next(_names)}"
    server.execute(f"CREATE DATABASE {name}")
    try:
        yield mysql_iotdb(server, name, form.ddl)
    finally:
        server.execute(f"DROP DATABASE {name}")


def empty(iotdb: Iotdb) -> None:
    """As if it had just been made; the terms of its leases go on."""
    kept = {tables.migration.name, tables.lease.name, tables.fence.name}
    ours = [table.name for table in tables.ours.sorted_tables if table.name not in kept]
    iotdb.execute("DELETE FROM Facts", *(f"DELETE FROM {name}" for name in ours))
