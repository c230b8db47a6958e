"""The proof that an object still is where the journal says, and holds what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from servicemanager.archive.journal import ArchivedObject
from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.parquet import FOLDER, read_object
from servicemanager.errors import ArchiveDamaged, ObjectMissing
from servicemanager.iotdb.fingerprint import fingerprint_rows

_REMEDY = "Nothing is deleted that it should hold; put it back from a version of the bucket, then run the export again."


@dataclass(frozen=True)
class Stores:
    """The archive's store, and those that hold what was archived under an earlier bucket or prefix."""

    current: ObjectStore
    open_elsewhere: Callable[[str], ObjectStore]
    #: By root URL: to make a client of S3 takes a quarter of a second.
    opened: dict[str, ObjectStore] = field(default_factory=dict, repr=False, compare=False)

    def locate(self, url: str) -> tuple[ObjectStore, str]:
        """The store and the key of the object at `url`."""
        root, folder, rest = url.rpartition(FOLDER)
        if root == self.current.url:
            return self.current, folder + rest
        if root not in self.opened:
            self.opened[root] = self.open_elsewhere(root)
        return self.opened[root], folder + rest


def prove_present(stores: Stores, found: ArchivedObject) -> bool:
    """Look the object up; True when its checksum was told and is right, False when it must be read to know.

    Raises ArchiveDamaged when the object is gone or another one.
    """
    store, key = stores.locate(found.url)
    stat = store.stat(key)
    if stat is None:
        raise ArchiveDamaged(f"The object {found.url} is gone. {_REMEDY}")
    if stat.size != found.size or stat.sha256 not in {None, found.sha256}:
        raise ArchiveDamaged(f"The object {found.url} is not the one that was archived. {_REMEDY}")
    return stat.sha256 is not None


def read_proven(stores: Stores, found: ArchivedObject) -> pa.Table:
    """The rows of an object: read whole and held against the journal, by checksum and by fingerprint.

    Raises ArchiveDamaged, or ObjectCold.
    """
    store, key = stores.locate(found.url)
    try:
        body = store.read(key)
    except ObjectMissing as error:
        raise ArchiveDamaged(f"The object {found.url} is gone. {_REMEDY}") from error
    if sha256(body) != found.sha256:
        raise ArchiveDamaged(f"The object {found.url} does not hold the bytes that were archived. {_REMEDY}")
    rows = read_object(body, found.url).rows
    if fingerprint_rows(rows) != found.fingerprint:
        raise ArchiveDamaged(f"The object {found.url} does not hold the rows that were archived. {_REMEDY}")
    return rows


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
