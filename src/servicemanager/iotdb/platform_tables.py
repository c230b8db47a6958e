"""The platform's tables, which we are a guest of.

They are defined here for the embedded database only; on a server they belong to the gateway and are never created or
altered.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

platform = sa.MetaData()

#: What the gateway writes by itself: whole seconds, in the embedded database as 'YYYY-MM-DD HH:MM:SS'.
_TIMESTAMP = sa.TIMESTAMP().with_variant(sqlite.DATETIME(truncate_microseconds=True), "sqlite")  # type: ignore[no-untyped-call]


def _int(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _text(name: str, length: int, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), **{"nullable": False, **options})


def _stamp(name: str, **options: Any) -> sa.Column[datetime]:
    return sa.Column(name, _TIMESTAMP, **{"nullable": False, **options})


facts = sa.Table(
    "Facts",
    platform,
    _text("channel", 50),
    *(_int(name) for name in ("year", "month", "day", "week_day", "hour", "minute", "second")),
    _text("device_group", 20),
    _text("device", 20),
    _int("sensor"),
    _int("data"),
    _stamp("creationDate", server_default=sa.func.current_timestamp()),
    sa.Index("facts_calendar", "channel", "year", "month", "day", "hour", "minute", "second", "device"),
    sa.Index("facts_creation", "creationDate"),
)
registration = sa.Table(
    "Registration",
    platform,
    _text("device", 20, primary_key=True),
    _text("device_group", 20, nullable=True),
    _stamp("registrationDate", nullable=True),
    _stamp("creationDate", server_default=sa.func.current_timestamp()),
    _text("memo", 1024, nullable=True),
    _text("version", 60, nullable=True),
    _text("type", 20, nullable=True),
)
announcement = sa.Table(
    "Announcement",
    platform,
    _text("device", 20, primary_key=True),
    _stamp("lastAnnouncementDate", server_default=sa.func.current_timestamp()),
)
history_status = sa.Table(
    "DeviceHistoryStatus",
    platform,
    _text("status", 20),
    _int("numberOfDevices"),
    _stamp("creationDate", server_default=sa.func.current_timestamp()),
)
device_statistics = sa.Table(
    "DeviceStatistics",
    platform,
    _text("device", 20),
    _int("sensor"),
    *(sa.Column(name, sa.Float, nullable=False) for name in ("average", "deviation", "error")),
    _stamp("creationDate", server_default=sa.func.current_timestamp()),
)
messages = sa.Table(
    "Messages",
    platform,
    sa.Column("ID", sa.Integer, primary_key=True, autoincrement=True),
    _text("device", 20),
    _text("sender", 20),
    _text("delivery_type", 20),
    _text("message", 1024),
    _stamp("readDate", nullable=True),
    _stamp("creationDate", server_default=sa.func.current_timestamp()),
)
