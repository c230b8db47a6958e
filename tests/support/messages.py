"""The table Messages, and cleanups of it."""

from __future__ import annotations

from datetime import timedelta

from servicemanager.iotdb.messages import Messages
from servicemanager.messages.cleanup import MessagesJob, Retention

from .iotdb import ZONE, Iotdb

_MESSAGES = (
    "CREATE TABLE IF NOT EXISTS Messages (ID INT AUTO_INCREMENT PRIMARY KEY, device VARCHAR(20), sender VARCHAR(20), "
    "delivery_type VARCHAR(20), message VARCHAR(1024), readDate TIMESTAMP NULL, creationDate TIMESTAMP NOT NULL "
    "DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
)
_REGISTRATION = (
    "CREATE TABLE IF NOT EXISTS Registration (device VARCHAR(20) PRIMARY KEY, device_group VARCHAR(20)) "
    "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
)
_READ = "INSERT INTO Messages (device, delivery_type, message, readDate) VALUES ('d', 'TRANSIENT', 'm', '2026-01-01')"
#: One message that was read long ago is in it.
MESSAGES = (_MESSAGES, _REGISTRATION, _READ)


def make_cleanup(iotdb: Iotdb, chunk: int = 3, **retention) -> MessagesJob:
    """Of what was read a week ago, in very small chunks."""
    kept = Retention(**{"read": timedelta(days=7), **retention})
    return MessagesJob(iotdb.database, Messages.open(iotdb.database, ZONE), kept, chunk)
