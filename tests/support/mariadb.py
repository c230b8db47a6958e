"""A real MariaDB (or, by TEST_MYSQL_URL, any server) for the tests: private, on loopback, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pymysql
import pytest

_names = count()
#: Tests lose no power: what is committed need not be on the disk. Making and dropping a database takes seven times as
#: long where it must be.
_NO_SYNC = ["--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--debug-no-sync"]


@dataclass
class Server:
    host: str
    port: int
    user: str
    password: str
    process: subprocess.Popen | None = None
    folder: Path | None = None
    #: Those it was started with.
    options: tuple[str, ...] = ()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [(self.host, self.port)]

    def connect(self, database: str | None = None, **options):
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            autocommit=True,
            charset="utf8mb4",
            # Otherwise the driver reads all authorities that this machine trusts, for each connection.
            ssl_disabled=True,
            **options,
        )

    def execute(self, *statements: str, database: str | None = None) -> list[tuple]:
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def daemon() -> str:
    for name in ("mariadbd", "mysqld"):
        path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        if path:
            return path
    pytest.exit("No mariadbd or mysqld was found: install mariadb-server, or set TEST_MYSQL_URL.", returncode=2)
    raise AssertionError


def as_root() -> list[str]:
    """What lets root run a server as itself."""
    return ["--user=root"] if os.geteuid() == 0 else []


def start(folder: Path, *options: str, port: int | None = None, host: str = "127.0.0.1") -> Server:
    """Start a server on the data in `folder`, made there if it is empty."""
    data, port = folder / "data", port or free_port()
    if not data.exists():
        install = ["mariadb-install-db", "--no-defaults", *as_root(), f"--datadir={data}", f"--tmpdir={folder}"]
        install += ["--auth-root-authentication-method=normal", "--skip-test-db", *_NO_SYNC]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    log = folder / "error.log"
    command = [daemon(), "--no-defaults", *as_root(), f"--datadir={data}", f"--bind-address={host}"]
    # A server that starts clears its tmpdir, so no two may share one.
    command += [f"--tmpdir={folder}"]
    command += [f"--port={port}", f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}", f"--log-error={log}"]
    command += ["--skip-name-resolve", "--local-infile=1", "--character-set-server=utf8mb4"]
    command += ["--innodb-buffer-pool-size=256M", *_NO_SYNC, *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(host, port, "root", "", process, folder, options)
    _await(server, log)
    return server


def _await(server: Server, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            server.connect().close()
        except pymysql.Error:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()[-3000:]) from None
            time.sleep(0.05)
        else:
            return


def stop(server: Server) -> None:
    with suppress(ProcessLookupError):
        server.process.send_signal(signal.SIGCONT)
        server.process.terminate()
    try:
        server.process.wait(30)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait(10)


def restart(server: Server, *, crash: bool = False) -> None:
    """On the same data and port; a crash loses what was not committed."""
    if crash:
        server.process.kill()
        server.process.wait()
    else:
        stop(server)
    server.process = start(server.folder, *server.options, port=server.port, host=server.host).process


@contextmanager
def private_server(*options: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="sm-mariadb-") as folder:
        server = start(Path(folder), *options)
        try:
            yield server
        finally:
            stop(server)


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[Server]:
    """The server that all tests share; each makes a database of its own."""
    url = os.environ.get("TEST_MYSQL_URL")
    if not url:
        with private_server("--skip-log-bin") as server:
            yield server
        return
    parts = urlsplit(url)
    user, password = unquote(parts.username or "root"), unquote(parts.password or "")
    yield Server(parts.hostname or "127.0.0.1", parts.port or 3306, user, password)


@pytest.fixture
def mysql_database(mysql_server: Server) -> Iterator[str]:
    """The name of an empty database."""
    name = f"iotdb_{os.getpid()}_{next(_names)}"
    mysql_server.execute(f"CREATE DATABASE {name}")
    yield name
    mysql_server.execute(f"DROP DATABASE {name}")
