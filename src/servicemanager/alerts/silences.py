"""Silences in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from servicemanager.alerts.silence import Silence, Target
from servicemanager.iotdb import tables


def load_silences(connection: sa.Connection) -> list[Silence]:
    rows = connection.execute(sa.select(tables.silence).order_by(tables.silence.c.id))
    return [
        Silence(
            target=Target(row.target),
            name=row.name,
            reason=row.reason,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            cron=row.cron,
            duration=None if row.duration_seconds is None else timedelta(seconds=row.duration_seconds),
            number=row.id,
        )
        for row in rows
    ]


def add_silence(tx: sa.Connection, silence: Silence) -> int:
    """Return its number."""
    seconds = None if silence.duration is None else int(silence.duration.total_seconds())
    values = {
        "target": silence.target.value,
        "name": silence.name,
        "reason": silence.reason,
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "cron": silence.cron,
        "duration_seconds": seconds,
    }
    made = tx.execute(tables.silence.insert().values(**values)).inserted_primary_key
    assert made is not None  # noqa: S101 -- the table numbers its rows
    return int(made[0])


def remove_silences(tx: sa.Connection, numbers: Sequence[int]) -> int:
    """Return how many there were."""
    return tx.execute(tables.silence.delete().where(tables.silence.c.id.in_(numbers))).rowcount
