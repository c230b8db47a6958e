"""One check of a million devices, 5 000 of them silent, beside the bare SQL that selects the silent ones.

The check is the whole command: start, lease, decision, incidents, message and delivery to the console.
"""

from __future__ import annotations

import subprocess

from benchmarks.export import SERVICEMANAGER
from benchmarks.harness import Measured, Run, environ_of, run

from support.mariadb import Server

DATABASE = "IOTDB_HEALTH"
DEVICES = 1_000_000
#: One device in so many, all over the shops of six.
_SILENT = 200
_TABLES = (
    (
        "CREATE TABLE Registration (device VARCHAR(20) PRIMARY KEY, device_group VARCHAR(20), registrationDate "
        "TIMESTAMP NULL, creationDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, memo VARCHAR(1024), "
        "version VARCHAR(60), type VARCHAR(20)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
    ),
    (
        "CREATE TABLE Announcement (device VARCHAR(20) PRIMARY KEY, lastAnnouncementDate TIMESTAMP NOT NULL DEFAULT "
        "CURRENT_TIMESTAMP) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
    ),
    (
        "INSERT INTO Registration (device, device_group, registrationDate, version, type) SELECT CONCAT('AA:BB:', "
        "LPAD(seq, 9, '0')), CONCAT('shop ', seq DIV 6), NOW() - INTERVAL 90 DAY, '1.2.3', 'board' "
        f"FROM seq_1_to_{DEVICES}"
    ),
    (
        "INSERT INTO Announcement SELECT device, IF(RIGHT(device, 9) MOD "
        f"{_SILENT} = 0, NOW() - INTERVAL 2 HOUR, NOW()) FROM Registration"
    ),
    "ANALYZE TABLE Registration, Announcement",
)
_BARE = (
    "SELECT r.device, r.device_group, r.version, a.lastAnnouncementDate FROM Registration r LEFT JOIN Announcement a "
    "ON a.device = r.device WHERE r.device_group IS NOT NULL AND (a.lastAnnouncementDate < NOW() - INTERVAL 60 MINUTE "
    "OR a.lastAnnouncementDate IS NULL)"
)


def measure(server: Server) -> list[Run]:
    found = Run(f"Check of {DEVICES:,} devices, one in {_SILENT} silent")
    server.execute(f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
    server.execute(*_TABLES, database=DATABASE)
    client = ["mariadb", "--no-defaults", f"-h{server.host}", f"-P{server.port}", "-uroot", "--quick", DATABASE]
    bare = found.add(_best("bare SQL that selects the silent ones", [*client, "-B", "-e", _BARE]))
    environ = environ_of(server, MYSQL_DATABASE=DATABASE)  # the console is its channel
    # The tables of our own are made by whichever command comes first.
    subprocess.run([SERVICEMANAGER, "silence", "list"], env=environ, check=True, stdout=subprocess.DEVNULL)
    check = [SERVICEMANAGER, "run-job", "devices"]
    found.add(run("check that opens an incident for each of them", check, environ), bare, 2.0)
    found.add(_best("check in which nothing changed", check, environ), bare, 2.0)
    server.execute(f"DROP DATABASE {DATABASE}")
    return [found]


def _best(what: str, command: list[str], environ: dict[str, str] | None = None) -> Measured:
    return min((run(what, command, environ) for _ in range(3)), key=lambda line: line.seconds)
