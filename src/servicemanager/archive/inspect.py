"""An object's content in numbers: what verifying it needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow.compute as pc

from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.parquet import Label, iter_groups
from servicemanager.archive.proof import sha256
from servicemanager.errors import ArchiveDamaged
from servicemanager.iotdb.fingerprint import EMPTY, Fingerprint, fingerprint_rows


@dataclass(frozen=True)
class Inspected:
    """An object as read and decoded."""

    label: Label
    #: Of its rows as decoded, whatever the label promises.
    fingerprint: Fingerprint
    #: The first and the last arrival, in UTC.
    first_at: datetime
    last_at: datetime
    size: int
    sha256: str


def inspect(store: ObjectStore, key: str) -> Inspected:
    """Raises ArchiveDamaged, ObjectCold or ObjectMissing."""
    body, url = store.read(key), store.url_of(key)
    fingerprint, ends = EMPTY, list[datetime]()
    label = None
    for group in iter_groups(body, url):
        label = group.label
        fingerprint += fingerprint_rows(group.rows)
        ends += pc.min_max(group.table.column("creationDate")).as_py().values()
    if label is None:
        raise ArchiveDamaged(f"{url} holds no rows.")
    return Inspected(label, fingerprint, min(ends), max(ends), len(body), sha256(body))
