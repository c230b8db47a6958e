"""A Galera cluster of MariaDB on loopback: three nodes on one port of three addresses, one of which may be lost.

The same port, because ServiceManager tells a server of MariaDB by its host name and port, and all are one database.
"""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pymysql

from . import mariadb
from .cli import until
from .mariadb import Server

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
#: Silence after which the others go on without a node.
_TIMEOUTS = "evs.suspect_timeout=PT1.5S;evs.inactive_timeout=PT3S;evs.keepalive_period=PT0.5S"


@dataclass
class Galera:
    """To tests it is one server: it is asked through any node that works."""

    port: int
    nodes: list[Server] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 -- no secret

    host, user, password = "127.0.1.1", "root", ""

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [(node.host, node.port) for node in self.nodes]

    def connect(self, database: str | None = None, **options):
        """Raises the last node's error if none works."""
        failure: Exception | None = None
        for node in random.sample(self.nodes, len(self.nodes)):
            try:
                connection = node.connect(database, connect_timeout=2, read_timeout=10, **options)
                with connection.cursor() as cursor:
                    # Reads wait for what others have committed, and fail on a node that has lost the others.
                    cursor.execute("SET SESSION wsrep_sync_wait=1")
                    cursor.execute("SELECT COUNT(*) FROM mysql.db")
            except (pymysql.Error, OSError) as error:
                failure = error
            else:
                return connection
        raise failure or RuntimeError

    def execute(self, *statements: str, database: str | None = None) -> list[tuple]:
        with self.connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def lose_one(self, *, crash: bool, seconds: float) -> None:
        """Some node ends, stays away, and comes back."""
        node = self._random.choice(self.nodes)
        if crash:
            node.process.kill()
            node.process.wait()
        else:
            mariadb.stop(node)
        time.sleep(seconds)
        self._start_again(node)

    def freeze_one(self, seconds: float) -> None:
        """Some node stands still; the others go on without it."""
        node = self._random.choice(self.nodes)
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        node.process.send_signal(signal.SIGCONT)
        until(lambda: is_synced(node))

    def _start_again(self, node: Server) -> None:
        position = _recovered_position(node)
        options = (*node.options, f"--wsrep-start-position={position}") if position else node.options
        node.process = mariadb.start(node.folder, *options, port=node.port, host=node.host).process
        until(lambda: is_synced(node))


def is_synced(node: Server) -> bool:
    with suppress(pymysql.Error, OSError):
        return node.execute("SHOW STATUS LIKE 'wsrep_local_state_comment'")[0][1] == "Synced"
    return False


def _recovered_position(node: Server) -> str | None:
    """What the node had applied when it ended, so that it need not fetch everything."""
    command = [mariadb.daemon(), "--no-defaults", *mariadb.as_root(), f"--datadir={node.folder / 'data'}"]
    command += [f"--tmpdir={node.folder}", *node.options, "--wsrep-recover", f"--socket={node.folder / 'r'}"]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    found = re.findall(r"Recovered position: (\S+:-?\d+)", said.stdout + said.stderr)
    return found[-1] if found and not found[-1].endswith(":-1") else None


@contextmanager
def galera_cluster(folder: Path, count: int = 3) -> Iterator[Galera]:
    cluster = Galera(mariadb.free_port())
    ports = mariadb.free_port(), mariadb.free_port()
    hosts = [f"127.0.1.{number + 1}" for number in range(count)]
    everybody = "--wsrep-cluster-address=gcomm://" + ",".join(f"{host}:{ports[0]}" for host in hosts)
    first = ("--wsrep-new-cluster", "--wsrep-cluster-address=gcomm://")
    homes = [folder / f"node-{number}" for number in range(count)]
    _make_data(homes, [*_options(0, hosts[0], ports), *first], hosts[0])
    with ExitStack() as stack:
        for number, (host, home) in enumerate(zip(hosts, homes, strict=True)):
            options = _options(number, host, ports)
            how = (everybody,) if number else first
            node = mariadb.start(home, *options, *how, port=cluster.port, host=host)
            node.options = (*options, everybody)
            stack.callback(mariadb.stop, node)
            cluster.nodes.append(node)
            until(lambda node=node: is_synced(node))
        yield cluster


def _make_data(homes: list[Path], options: list[str], host: str) -> None:
    """The same for all, so that no node need fetch another's whole data when it comes to the cluster first."""
    for home in homes:
        home.mkdir()
    mariadb.stop(mariadb.start(homes[0], *options, host=host))
    for home in homes[1:]:
        shutil.copytree(homes[0] / "data", home / "data", ignore=shutil.ignore_patterns("galera.cache", "gvwstate.dat"))
    for home in homes:
        # A daemon of rsync that root starts works as nobody, and tells a node what it has missed by a file there.
        for folder, mode in ((home.parent, 0o711), (home, 0o711), (home / "data", 0o777)):
            folder.chmod(mode)


def _options(number: int, host: str, ports: tuple[int, int]) -> tuple[str, ...]:
    group, transfer = ports
    provider = f"gmcast.listen_addr=tcp://{host}:{group};ist.recv_addr={host}:{transfer};gcache.size=64M;{_TIMEOUTS}"
    return (
        "--wsrep-on=ON",
        f"--wsrep-provider={PROVIDER}",
        f"--wsrep-provider-options={provider}",
        "--wsrep-cluster-name=servicemanager",
        f"--wsrep-node-address={host}:{group}",
        f"--wsrep-node-incoming-address={host}:0",
        f"--wsrep-node-name=node{number}",
        f"--server-id={number + 1}",
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
        "--innodb-buffer-pool-size=64M",
    )
