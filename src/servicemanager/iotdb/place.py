"""Where the database stands, to tell it from a copy of it.

A copy (a restored backup, a developer's clone) bears the same name, and must not write into the same
archive. It is the same database where the server says so, or where it is reached under a host name by
which it was known; names of loopback tell nothing. A schema of another name is always a copy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from servicemanager.errors import ArchiveRefused
from servicemanager.iotdb.engine import Database, read_meta, write_meta

_KEY = "place"
_LOOPBACK = ("localhost", "127.", "[::1]", "::1")


@dataclass(frozen=True)
class Place:
    """What is known of a database's whereabouts."""

    schema: str
    server: str
    hosts: frozenset[str]

    def is_same(self, other: Place) -> bool:
        if self.schema != other.schema:
            return False
        return self.server == other.server or bool(self.hosts & other.hosts)

    def to_json(self) -> str:
        return json.dumps({"schema": self.schema, "server": self.server, "hosts": sorted(self.hosts)})

    @classmethod
    def from_json(cls, text: str) -> Place:
        value = json.loads(text)
        return cls(value["schema"], value["server"], frozenset(value["hosts"]))


def check_place(database: Database) -> None:
    """Remember the place when it is first seen; raise ArchiveRefused in a copy."""
    if database.dialect == "sqlite":
        return
    with database.transaction() as tx:
        here, known = _here(tx, database.place), read_meta(tx, _KEY)
        if known is not None and not Place.from_json(known).is_same(here):
            before = Place.from_json(known)
            raise ArchiveRefused(
                f"This database is a copy: its archive was made from {before.schema} on {before.server}, and this is "
                f"{here.schema} on {here.server}. If it has taken over from that one for good, run: "
                "servicemanager db adopt"
            )
        if known != here.to_json():
            write_meta(tx, _KEY, here.to_json())


def adopt_place(tx: sa.Connection, database: Database) -> None:
    """From now on the database stands here."""
    if database.dialect == "mysql":
        write_meta(tx, _KEY, _here(tx, database.place).to_json())


def _here(tx: sa.Connection, place: str) -> Place:
    rows = tx.exec_driver_sql("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid','hostname','port')")
    found = {str(name).lower(): str(value) for name, value in rows}
    # MariaDB has no server_uuid.
    server = found.get("server_uuid") or f"{found.get('hostname')}:{found.get('port')}"
    hosts = place.rsplit("/", 1)[0].split(",")
    schema = str(tx.exec_driver_sql("SELECT DATABASE()").scalar_one())
    return Place(schema, server, frozenset(host for host in hosts if not host.startswith(_LOOPBACK)))
