"""`make bench`, second part: a check of a million devices beside the bare SQL that selects the silent ones.

The check is the whole command: start, lease, decision, incidents, message and delivery to the console. Prints a table
and writes it to HEALTH.md. The size comes from BENCH_DEVICES (default 1000000); one device in 200 is silent.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.__main__ import DATABASE, Run, timed

from support.mariadb import Server, private_server

RESULTS = Path(__file__).with_name("HEALTH.md")
_REGISTRATION = """CREATE TABLE Registration (device VARCHAR(20) PRIMARY KEY, device_group VARCHAR(20),
  registrationDate TIMESTAMP NULL, creationDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, memo VARCHAR(1024),
  version VARCHAR(60), type VARCHAR(20)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""
_ANNOUNCEMENT = """CREATE TABLE Announcement (device VARCHAR(20) PRIMARY KEY,
  lastAnnouncementDate TIMESTAMP NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""
_NUMBERS = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {devices})"
_NAME = "CONCAT('AA:BB:', LPAD(i, 9, '0'))"
_BARE = """SELECT r.device, r.device_group, r.version, a.lastAnnouncementDate FROM Registration r
  LEFT JOIN Announcement a ON a.device = r.device WHERE r.device_group IS NOT NULL
  AND (a.lastAnnouncementDate < UTC_TIMESTAMP() - INTERVAL 60 MINUTE OR a.lastAnnouncementDate IS NULL)"""


def fill(server: Server, devices: int) -> None:
    numbers = _NUMBERS.format(devices=devices)
    server.execute(f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
    server.execute(
        "SET time_zone='+00:00', max_recursive_iterations=100000000",
        _REGISTRATION,
        _ANNOUNCEMENT,
        f"""INSERT INTO Registration (device, device_group, registrationDate, version, type)
          {numbers} SELECT {_NAME}, CONCAT('shop ', i DIV 6), NOW() - INTERVAL 90 DAY, '1.2.3', 'board' FROM n""",
        f"""INSERT INTO Announcement {numbers}
          SELECT {_NAME}, IF(i MOD 200 = 0, NOW() - INTERVAL 2 HOUR, NOW()) FROM n""",
        "ANALYZE TABLE Registration, Announcement",
        database=DATABASE,
    )


def measure(server: Server, devices: int, folder: Path) -> Run:
    fill(server, devices)
    run = Run(devices)
    client = ["mariadb", "--no-defaults", f"-h{server.host}", f"-P{server.port}", "-uroot", "--quick", "-B", DATABASE]
    silent = "bare SQL that selects the silent ones"
    bare = run.add(silent, min(timed([*client, "-e", _BARE], dict(os.environ))[0] for _ in range(3)))
    command = [str(Path(sys.executable).with_name("servicemanager")), "run-job", "devices"]
    environ = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "MYSQL_HOST": server.host,
        "MYSQL_PORT": str(server.port),
        "MYSQL_USER": "root",
        "EXPORT_LOCALDIRECTORY": str(folder),
    }
    for what in ("check that opens an incident for each shop", "check in which nothing changed"):
        seconds, peak = timed(command, environ)
        run.add(what, seconds, beside=bare, peak=peak)
    return run


def report(run: Run, server: Server) -> str:
    version = server.execute("SELECT VERSION()")[0][0]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {version}"
    text = f"# Results: check of {run.rows:,} devices, one in 200 silent\n\n"
    text += f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine}; client and server share the cores.\n\n"
    text += "| what | seconds | ratio | peak MiB |\n|---|---:|---:|---:|\n"
    for line in run.lines:
        ratio = f"{line.ratio:.2f}" if line.ratio else ""
        peak = f"{line.peak_mib:.0f}" if line.peak_mib else ""
        text += f"| {line.what} | {line.seconds:.2f} | {ratio} | {peak} |\n"
    return text


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="sm-bench-") as folder,
        private_server("--skip-log-bin", "--innodb-buffer-pool-size=1G") as server,
    ):
        text = report(measure(server, int(os.environ.get("BENCH_DEVICES", "1000000")), Path(folder)), server)
    RESULTS.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
