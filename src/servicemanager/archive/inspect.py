"""An object's content in numbers: what verifying it needs to know of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import pyarrow.compute as pc

from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.parquet import Label, Name, iter_groups
from servicemanager.archive.proof import sha256
from servicemanager.errors import ArchiveDamaged
from servicemanager.iotdb.fingerprint import EMPTY, Fingerprint, fingerprint_rows

_THREADS = 2


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


Listed = tuple[str, Name | None]
#: Waits for what was begun ahead.
Waiting = tuple[str, Name | None, Callable[[], Inspected]]


def inspect_ahead(store: ObjectStore, listed: Iterable[Listed]) -> Generator[Waiting]:
    """Each object of a listing, in its order, the next ones being inspected in other threads meanwhile."""
    waiting: deque[Waiting] = deque()
    with ThreadPoolExecutor(_THREADS, "inspect") as pool:
        for key, name in listed:
            waiting.append((key, name, pool.submit(inspect, store, key).result))
            if len(waiting) > _THREADS:
                yield waiting.popleft()
        yield from waiting
