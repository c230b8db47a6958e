"""Statistics and messages, beside one GROUP BY with the same aggregates and beside bare chunked deletes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from benchmarks.export import DATABASE, SERVICEMANAGER, client, fill
from benchmarks.generate import write_tsv
from benchmarks.harness import Measured, Run, environ_of, gateway, run

from servicemanager.iotdb.moment_blocks import pack
from servicemanager.iotdb.moment_columns import moments_of
from servicemanager.messages.cleanup import CHUNK
from support.mariadb import Server
from support.messages import MESSAGES
from support.statistics import DDL

#: Pairs of device and sensor: of a million devices.
PAIRS = 3_000_000
OLD_MESSAGES = 1_000_000
#: Readings count however old they are.
_ALL_DAYS = {"STATISTICS_DAYS": "0"}
_LAST_DAY = "2026-06-30"
_GROUP_BY = (
    "SELECT device, sensor, DATE(creationDate) AS day, COUNT(*), SUM(data), SUM(data*data), MIN(data), MAX(data) "
    "FROM Facts GROUP BY device, sensor, day"
)
#: What one would write without a thought.
_SMALL_CHUNK = 1_000
#: Transactions that were not cleaned up after yet.
_HISTORY = 50
#: What a gateway asks for each reading that arrives; of three devices, far apart.
_READ = (
    "SELECT device, sensor, average, deviation FROM DeviceStatistics "
    "WHERE (device, sensor) IN (('device 1', 1), ('device 500000', 2), ('device 999999', 0))"
)
_UNDISTURBED = 5.0


def measure(server: Server, rows: int, folder: Path) -> list[Run]:
    tsv = folder / "facts.tsv"
    write_tsv(rows, tsv)
    fill(server, tsv)
    tsv.unlink()
    server.execute(DDL, *MESSAGES[:2], database=DATABASE)
    return [_rollups(server, rows), _publication(server), _messages(server)]


def _rollups(server: Server, rows: int) -> Run:
    found = Run(f"Statistics of {rows:,} rows on 30 days, with an index on creationDate")
    bare = found.add(group_by(server))
    full = found.add(rebuild(server), bare, 1.3)
    night = found.add(nightly(server, _LAST_DAY), full, 0.1)
    found.add(Measured("the same", night.seconds), bare, 0.1)
    return found


def group_by(server: Server) -> Measured:
    """The same aggregates by one query."""
    return run("one GROUP BY device, sensor, day", [*client(server), "--quick", "-B", "-e", _GROUP_BY])


def rebuild(server: Server) -> Measured:
    return run("statistics --rebuild", [SERVICEMANAGER, "statistics", "--rebuild"], environ_of(server, **_ALL_DAYS))


def nightly(server: Server, day: str) -> Measured:
    """What a night takes that finds one new day, `day`, of thirty."""
    server.execute(f"DELETE FROM sm_rollup_remembered WHERE day = '{day}'", database=DATABASE)
    return run("statistics, one new day of thirty", [SERVICEMANAGER, "statistics"], environ_of(server, **_ALL_DAYS))


def _publication(server: Server) -> Run:
    found = Run(f"Publication of {PAIRS:,} pairs")
    server.execute(
        *(f"DELETE FROM {table}" for table in ("Facts", "sm_rollup_block", "sm_rollup_remembered")),
        "ALTER TABLE DeviceStatistics ADD KEY (device, sensor)",  # without it each reading of the gateway is a scan
        database=DATABASE,
    )
    _fill_rollups(server)
    command, environ = [SERVICEMANAGER, "statistics"], environ_of(server, **_ALL_DAYS)
    found.add(run("statistics, into an empty table", [*command, "--force"], environ))
    with gateway(server, DATABASE, _READ) as waits:
        time.sleep(_UNDISTURBED)
    before = found.add(Measured("longest of a gateway's readings, undisturbed", max(waits)))
    with gateway(server, DATABASE, _READ) as waits:
        found.add(run("statistics, all rows replaced", command, environ))
        time.sleep(_UNDISTURBED)  # the server still cleans up
    found.add(Measured("longest of a gateway's readings meanwhile (goal: 1 s)", max(waits)), before)
    return found


def _fill_rollups(server: Server) -> None:
    """With four readings of each pair."""
    devices = pa.array([f"device {number}" for number in range(PAIRS // 3)])
    number = np.repeat(np.arange(PAIRS), 4)
    rows = [devices.dictionary_encode().take(pa.array(number // 3)), number % 3, np.tile([1, 6, 8, 25], PAIRS)]
    blocks = pack(moments_of(pa.table(rows, ["device", "sensor", "data"])))
    connection = server.connect(DATABASE)
    with connection.cursor() as cursor:
        values = [(n, b.first_device, b.last_device, b.pairs, b.payload) for n, b in enumerate(blocks)]
        cursor.executemany(
            f"INSERT INTO sm_rollup_block VALUES ('{_LAST_DAY}', '1-g0', %s, %s, %s, %s, _binary %s)", values
        )
    connection.close()


def _messages(server: Server) -> Run:
    found = Run(f"Clearing {OLD_MESSAGES:,} messages")
    _queue(server)
    bare = found.add(_delete(server, CHUNK))
    _queue(server)
    found.add(_delete(server, _SMALL_CHUNK))
    _queue(server)
    found.add(run("messages", [SERVICEMANAGER, "messages"], environ_of(server)), bare, 1.3)
    return found


def _queue(server: Server) -> None:
    server.execute(
        "TRUNCATE TABLE Messages",
        "INSERT INTO Messages (device, sender, delivery_type, message, readDate) "
        f"SELECT CONCAT('device ', seq MOD 1000), 'console', 'TRANSIENT', 'restart', '2026-01-01' "
        f"FROM seq_1_to_{OLD_MESSAGES}",
        database=DATABASE,
    )
    settle(server)


def settle(server: Server) -> None:
    """Wait until the server has cleaned up after what was deleted before."""
    for _ in range(300):
        (row,) = server.execute("SHOW ENGINE INNODB STATUS")
        if int(row[2].split("History list length ")[1].split()[0]) < _HISTORY:
            return
        time.sleep(0.1)


def _delete(server: Server, chunk: int) -> Measured:
    """By primary key, with nothing counted or fenced."""
    (first, last) = server.execute("SELECT MIN(ID), MAX(ID) FROM Messages", database=DATABASE)[0]
    connection = server.connect(DATABASE)
    begin = time.perf_counter()
    with connection.cursor() as cursor:
        for start in range(first, last + 1, chunk):
            cursor.execute(
                f"DELETE FROM Messages WHERE ID >= {start} AND ID < {start + chunk} AND delivery_type = 'TRANSIENT' "
                "AND readDate < '2026-06-01'"
            )
    seconds = time.perf_counter() - begin
    connection.close()
    return Measured(f"bare DELETEs by primary key, {chunk:,} at a time", seconds)
