"""What the lake is asked about in tests: a database and a store, as a service would open them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.config import Settings, load
from servicemanager.iotdb.columns import COLUMNS
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.mysql import open_mysql
from servicemanager.iotdb.sqlite import open_sqlite
from servicemanager.lake import Lake

from .iotdb import ZONE, Iotdb, wall

#: Every column of a reading, as `Iotdb.rows` counts them.
EVERYTHING = f"SELECT {', '.join(COLUMNS)}, {{stored}} FROM facts"


@dataclass
class Opened:
    """Implements `lake.Source`."""

    iotdb: Iotdb
    archive: ObjectStore | None
    folder: Path
    #: Called when the store is asked for, which is after the journal was read: something may happen meanwhile.
    meanwhile: Callable[[], None] = field(default=lambda: None)

    @property
    def settings(self) -> Settings:
        # Nothing in the environment of the tests takes part.
        environ = {"EXPORT_LOCALDIRECTORY": str(self.folder)}
        return load(environ, self.folder, needs_database=False).settings

    def database(self) -> Database:
        return open_mysql(self.iotdb.login) if self.iotdb.login else open_sqlite(self.iotdb.path)

    def facts(self, database: Database) -> Facts:
        return Facts.open(database, ZONE)

    def store(self) -> ObjectStore | None:
        self.meanwhile()
        return self.archive

    def open_store(self, url: str) -> ObjectStore:
        return open_store(url)


def everything(lake: Lake) -> Counter:
    """The multiset of all rows that the view holds, as `Iotdb.rows` has them."""
    stored = "creationDate_local" if "creationDate_local" in lake.columns else "creationDate"
    found: Counter = Counter()
    for batch in lake.query(EVERYTHING.format(stored=stored)).batches():
        columns = [column.to_pylist() for column in batch.columns]
        columns[-1] = [wall(value) if value.tzinfo else value for value in columns[-1]]
        found.update(zip(*columns, strict=True))
    return found


def ask(lake: Lake, sql: str) -> list[tuple]:
    table = lake.query(sql).table()
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
