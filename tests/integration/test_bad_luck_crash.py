"""A server that is killed in the middle of an export, and comes back."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.iotdb import facts_ddl, mysql_iotdb
from support.mariadb import Server, start, stop
from support.sites import Site, make_site, old_rows
from support.tcpproxy import TcpProxy, meanwhile, tcp_proxy_before

ROWS = old_rows()


@dataclass
class Mortal:
    """A server with its data and its port, which survive it."""

    server: Server

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.wait()

    def revive(self) -> None:
        self.server = start(self.server.folder, port=self.server.port)

    def restart(self) -> None:
        self.kill()
        self.revive()


@pytest.fixture(scope="module")
def mortal() -> Iterator[Mortal]:
    with tempfile.TemporaryDirectory(prefix="sm-mariadb-") as folder:
        mortal = Mortal(start(Path(folder)))
        try:
            yield mortal
        finally:
            stop(mortal.server)


@pytest.fixture
def site(mortal, s3_server, s3_bucket, tmp_path) -> Iterator[Site]:
    mortal.server.execute("CREATE DATABASE iotdb")
    iotdb = mysql_iotdb(mortal.server, "iotdb", facts_ddl())
    iotdb.insert(ROWS)
    yield make_site(iotdb, s3_server, s3_bucket, tmp_path)
    iotdb.database.close()
    mortal.server.execute("DROP DATABASE iotdb")


@pytest.fixture
def proxy(mortal) -> Iterator[TcpProxy]:
    with tcp_proxy_before("127.0.0.1", mortal.server.port) as proxy:
        yield proxy


def test_a_server_killed_while_rows_are_read_ends_the_run_and_loses_nothing(site, proxy, mortal):
    proxy.trap(b"SELECT channel,year,month", meanwhile(mortal.kill))
    ran = site.export(MYSQL_PORT=proxy.port, CLUSTER_LEASE="3s")
    mortal.revive()
    assert ran.status == 4
    assert f"The database at 127.0.0.1:{proxy.port}/iotdb broke the connection while rows were read" in ran.sentence
    site.check_untouched(ROWS)
    site.finish(ROWS)


@pytest.mark.parametrize("word", [b"DELETE FROM Facts WHERE creationDate", b"UPDATE sm_archive_part", b"COMMIT"])
def test_a_purge_survives_a_server_that_is_killed_and_comes_back(site, proxy, mortal, word: bytes):
    after = b"" if word.startswith(b"DELETE") else b"DELETE FROM Facts WHERE creationDate"
    proxy.trap(word, meanwhile(mortal.restart), after=after)
    ran = site.export(MYSQL_PORT=proxy.port)
    assert (ran.status, ran.sentences) == (0, []), ran.stderr
    site.check_complete(ROWS)


def test_a_server_killed_while_an_object_is_journaled_leaves_it_for_the_next_run(site, proxy, mortal):
    proxy.trap(b"INSERT INTO sm_archive_object", meanwhile(mortal.kill))
    ran = site.export(MYSQL_PORT=proxy.port, CLUSTER_LEASE="3s")
    mortal.revive()
    assert ran.status == 4
    assert "broke the connection" in ran.sentence
    assert site.iotdb.rows() == Counter(ROWS)
    result = site.finish(ROWS)
    assert result.counts["objects"] == 3
