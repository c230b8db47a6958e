"""What a copy of Facts would cost: its size, the room that the server's disk has, and how fast rows are copied."""

from __future__ import annotations

import os
import shutil
import socket
import time

from servicemanager.errors import DatabaseRefused, ServiceManagerError
from servicemanager.iotdb.engine import Database

_SAMPLE = 50_000
#: Fewer tell little about many.
_TELLING = 5_000


def size_of_facts(database: Database) -> tuple[int, int]:
    """Bytes and rows of Facts, as the server estimates them."""
    query = (
        "SELECT DATA_LENGTH + INDEX_LENGTH, TABLE_ROWS FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'Facts'"
    )
    with database.reading() as connection:
        size, rows = connection.exec_driver_sql(query).one()
    return int(size or 0), int(rows or 0)


def free_on_server(database: Database) -> int | None:
    """Bytes left where the server keeps its tables; None where nobody can tell."""
    with database.reading() as connection:
        folder, host = map(str, connection.exec_driver_sql("SELECT @@datadir, @@hostname").one())
    if host == socket.gethostname() and os.path.isdir(folder):  # noqa: PTH112 -- the server's path, not ours
        return shutil.disk_usage(folder).free
    try:
        with database.reading() as connection:
            disks = connection.exec_driver_sql("SELECT Path, Available FROM information_schema.DISKS").all()
    except ServiceManagerError:
        return None
    around = [(len(path), kib) for path, kib in disks if folder.startswith(path.rstrip("/") + "/")]
    return max(around)[1] * 1024 if around else None


def sample_copy(database: Database) -> tuple[int, float]:
    """Copy some rows into a table that only we see: how many, and in how many seconds.

    (0, 0) where we may not, or where that would tell nothing.
    """
    try:
        with database.transaction() as tx:
            tx.exec_driver_sql("CREATE TEMPORARY TABLE sm_sample LIKE Facts")
            try:
                began = time.perf_counter()
                rows = tx.exec_driver_sql(f"INSERT INTO sm_sample SELECT * FROM Facts LIMIT {_SAMPLE}").rowcount
                seconds = time.perf_counter() - began
                return (rows, seconds) if rows >= _TELLING else (0, 0.0)
            finally:
                tx.exec_driver_sql("DROP TEMPORARY TABLE sm_sample")
    except DatabaseRefused:
        return 0, 0.0
