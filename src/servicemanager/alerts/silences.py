"""Silences in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from servicemanager.alerts.silence import Silence, Target
from servicemanager.iotdb import tables

_LONGEST_BY = 255
_table, _note = tables.silence, tables.silence_note


def load_silences(connection: sa.Connection) -> list[Silence]:
    joined = _table.outerjoin(_note, _note.c.silence_id == _table.c.id)
    rows = connection.execute(sa.select(_table, _note.c.added_by).select_from(joined).order_by(_table.c.id))
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
            by=row.added_by,
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
    made = tx.execute(_table.insert().values(**values)).inserted_primary_key
    assert made is not None  # noqa: S101 -- the table numbers its rows
    if silence.by is not None:
        tx.execute(_note.insert().values(silence_id=made[0], added_by=silence.by[:_LONGEST_BY]))
    return int(made[0])


def remove_silences(tx: sa.Connection, numbers: Sequence[int]) -> int:
    """Return how many there were."""
    tx.execute(_note.delete().where(_note.c.silence_id.in_(numbers)))
    return tx.execute(_table.delete().where(_table.c.id.in_(numbers))).rowcount
