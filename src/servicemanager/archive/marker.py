"""The archive's marker: one object that says whose archive this is, and shows whether its store can be trusted.

It is put once, like every object. Trying to put it a second time must fail: a store that lets it pass
would let objects be overwritten, and gets no purge.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.parquet import FOLDER
from servicemanager.errors import ArchiveRefused, ObjectExists, ObjectMissing

#: Engines that read the archive skip names that begin with an underscore.
KEY = f"{FOLDER}_servicemanager.json"


class Claim(StrEnum):
    """What the marker says about the archive."""

    NEW = "new"  # nobody has claimed it yet
    OURS = "ours"
    OVERWRITABLE = "overwritable"  # ours, but the store ignores If-None-Match


@dataclass(frozen=True)
class Marker:
    """The content of the marker."""

    database: str

    def to_bytes(self) -> bytes:
        return json.dumps({"format": 1, "database": self.database}).encode()

    @classmethod
    def from_bytes(cls, body: bytes, url: str) -> Marker:
        try:
            return cls(str(json.loads(body)["database"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveRefused(f"{url} can't be read as the marker of an archive: {error}.") from error


def look(store: ObjectStore, database: str) -> Claim:
    """Whose archive this is; changes nothing. Raises ArchiveRefused when it is another database's."""
    try:
        found = Marker.from_bytes(store.read(KEY), store.url_of(KEY))
    except ObjectMissing:
        return Claim.NEW
    if found.database != database:
        raise ArchiveRefused(
            f"The archive at {store.url} belongs to another database ({found.database}; this one is {database}). "
            "Choose another export.remoteDirectory, or, if this database took over from that one, run: "
            "servicemanager db adopt"
        )
    return Claim.OURS


def claim(store: ObjectStore, database: str) -> Claim:
    """Put the marker where there is none, and see whether the store keeps what was put."""
    body = Marker(database).to_bytes()
    if look(store, database) is Claim.NEW:
        try:
            store.put_new(KEY, body, {})
        except ObjectExists:
            look(store, database)
    try:
        store.put_new(KEY, body, {})
    except ObjectExists:
        return Claim.OURS
    return Claim.OVERWRITABLE
