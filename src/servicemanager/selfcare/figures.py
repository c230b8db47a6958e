"""Figures about the service's own work, as last measured: kept in sm_meta, so that whoever looks need not count."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database, read_meta, write_meta

_NAME = "selfcare"
_REMEMBERED = timedelta(hours=24)
#: A rate over less than this says little: a file that is being built comes and goes.
_TELLING = timedelta(hours=1)
_INSTANTS = ("measured_at", "oldest_at", "cutoff", "archived_at", "verified_at", "undelivered_at", "partitions_until")


@dataclass(frozen=True)
class Free:
    """Bytes that were free at `at`, in seconds since 1970."""

    at: float
    free: int


@dataclass(frozen=True)
class Figures:
    """Instants by the database's clock; None where nothing could be measured, or there is nothing."""

    measured_at: datetime
    #: Readings that arrived before `cutoff` should have left the database. `rows_due` stops counting at a million.
    cutoff: datetime | None
    rows_due: int | None
    oldest_at: datetime | None
    #: When the newest object was journaled, and when any object was last found sound by `verify`.
    archived_at: datetime | None
    verified_at: datetime | None
    undelivered: int
    undelivered_at: datetime | None
    #: The folder for files that are being built, on the machine `host`.
    host: str
    staging_free: int | None
    samples: tuple[Free, ...] = ()
    #: How far the partitions of Facts reach, where it has such by days, and how many rows came to lie beyond.
    partitions_until: datetime | None = None
    rows_beyond: int = 0

    def after(self, before: Figures | None) -> Figures:
        """These, with what the machine's disk looked like earlier today."""
        if self.staging_free is None:
            return self
        now = self.measured_at.timestamp()
        earlier = before.samples if before and before.host == self.host else ()
        kept = [sample for sample in earlier if 0 <= now - sample.at <= _REMEMBERED.total_seconds()]
        return replace(self, samples=(*kept, Free(now, self.staging_free)))

    @property
    def days_until_full(self) -> float | None:
        """At the rate at which the disk has filled since the earliest sample; None where it does not."""
        return days_until_full(self.samples)


def days_until_full(samples: Sequence[Free]) -> float | None:
    """By the line from the first sample to the last; None where that is too short, or does not fall."""
    if len(samples) < 2:  # noqa: PLR2004 -- a line has two ends
        return None
    first, last = samples[0], samples[-1]
    seconds, used = last.at - first.at, first.free - last.free
    if seconds < _TELLING.total_seconds() or used <= 0:
        return None
    return last.free / (used / seconds) / 86_400


def load(connection: sa.Connection) -> Figures | None:
    """What was measured last."""
    noted = read_meta(connection, _NAME)
    return _from_plain(json.loads(noted)) if noted else None


def save(connection: sa.Connection, figures: Figures) -> None:
    write_meta(connection, _NAME, json.dumps(asdict(figures), default=datetime.isoformat))


def load_figures(database: Database) -> Figures | None:
    with database.reading() as connection:
        return load(connection)


def _from_plain(value: dict[str, Any]) -> Figures:
    instants = {n: datetime.fromisoformat(value[n]) for n in _INSTANTS if value.get(n)}
    samples = tuple(Free(**sample) for sample in value["samples"])
    return Figures(**{**value, **instants, "samples": samples})
