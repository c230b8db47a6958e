"""Connections to the database that end, or fall silent, in the middle of an export."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import stamina

from servicemanager.errors import DatabaseUnreachable
from servicemanager.iotdb.mysql import open_mysql
from servicemanager.iotdb.upgrade import upgrade
from support.exports import archived_rows, make_job, run
from support.sites import Site, old_rows
from support.tcpproxy import Deed, TcpProxy, cut, cut_answer_after, lose_answer, pull_the_cable, tcp_proxy_before

#: Enough for a window's answer to come in several pieces.
ROWS = old_rows(each=300)

READING = b"SELECT channel,year,month"
LOCKING = b" FOR UPDATE"
PLANNING = b"INSERT INTO sm_archive ("
JOURNALING = b"INSERT INTO sm_archive_object"
DELETING = b"DELETE FROM Facts WHERE creationDate"
MARKING = b"UPDATE sm_archive_part"
COMMIT = b"COMMIT"


@pytest.fixture
def site(site) -> Site:
    """With rows."""
    site.iotdb.insert(ROWS)
    return site


@pytest.fixture
def proxy(site) -> Iterator[TcpProxy]:
    """Between the program and the server."""
    with tcp_proxy_before("127.0.0.1", site.iotdb.server.port) as proxy:
        yield proxy


def run_through(proxy: TcpProxy, site: Site) -> None:
    """An export in this process, its patience shortened."""
    login = replace(site.iotdb.login, hosts=(("127.0.0.1", proxy.port),))
    with closing(open_mysql(login)) as database, stamina.set_testing(True, attempts=3, cap=True):
        upgrade(database)
        run(make_job(replace(site.iotdb, database=database), site.store, site.staging))


def test_a_connection_cut_while_rows_are_read_ends_the_run_in_a_sentence(site, proxy):
    proxy.trap(READING, cut_answer_after(10_000))
    ran = site.export(MYSQL_PORT=proxy.port)
    assert proxy.sprung == 1
    assert ran.status == 4
    assert f"The database at 127.0.0.1:{proxy.port}/" in ran.sentence
    assert "broke the connection while rows were read: the next run goes on" in ran.sentence
    site.check_untouched(ROWS)
    site.finish(ROWS)


def test_a_connection_cut_between_two_statements_ends_the_run_in_a_sentence(site, proxy):
    # The pool then fails to set it back, and says so in its own way unless it is kept from it.
    proxy.trap(b"SET AUTOCOMMIT = 1", cut, after=b"sm_meta")
    ran = site.export(MYSQL_PORT=proxy.port)
    assert proxy.sprung == 1
    assert ran.status == 4
    assert "broke the connection" in ran.sentence
    site.finish(ROWS)


@pytest.mark.parametrize(
    ("word", "deed"),
    [(LOCKING, cut), (DELETING, cut), (DELETING, lose_answer), (MARKING, cut), (COMMIT, cut), (COMMIT, lose_answer)],
)
def test_a_purge_whose_connection_is_cut_once_finds_out_what_became_of_it(site, proxy, word: bytes, deed: Deed):
    proxy.trap(word, deed, after=DELETING if word in {MARKING, COMMIT} else b"UPDATE sm_fence")
    run_through(proxy, site)
    assert proxy.sprung == 1
    site.check_complete(ROWS)


def test_an_operator_need_not_hear_of_a_commit_whose_answer_was_lost(site, proxy):
    proxy.trap(COMMIT, lose_answer, after=DELETING)
    site.complete(ROWS, MYSQL_PORT=proxy.port)
    assert proxy.sprung == 1


@pytest.mark.parametrize("word", [DELETING, COMMIT])
def test_a_purge_whose_connection_is_cut_again_and_again_gives_up_and_loses_nothing(site, proxy, word: bytes):
    proxy.trap(word, cut, after=b"" if word == DELETING else DELETING, times=99)
    with pytest.raises(DatabaseUnreachable, match="broke the connection"):
        run_through(proxy, site)
    assert site.everything() >= Counter(ROWS)
    site.finish(ROWS)


def test_a_purge_that_never_hears_of_its_commits_learns_of_them_from_the_journal(site, proxy):
    proxy.trap(COMMIT, lose_answer, after=DELETING, times=99)
    run_through(proxy, site)
    assert proxy.sprung == 3
    site.check_complete(ROWS)


@pytest.mark.parametrize("deed", [cut, lose_answer])
@pytest.mark.parametrize("word", [PLANNING, JOURNALING, COMMIT])
def test_a_journal_whose_connection_is_cut_is_gone_on_with_by_the_next_run(site, proxy, word: bytes, deed: Deed):
    proxy.trap(word, deed, after=JOURNALING if word == COMMIT else b"")
    with pytest.raises(DatabaseUnreachable, match="broke the connection"):
        run_through(proxy, site)
    assert proxy.sprung == 1
    assert site.iotdb.rows() == Counter(ROWS)
    before = archived_rows(site.store)
    site.finish(ROWS)
    assert before <= archived_rows(site.store)


@pytest.mark.parametrize("word", [READING, COMMIT])
def test_a_server_that_falls_silent_is_given_up_after_the_lease(site, proxy, word: bytes):
    """Nothing comes back to any connection, and nothing says so."""
    proxy.trap(word, pull_the_cable, after=DELETING if word == COMMIT else b"")
    running = site.start(MYSQL_PORT=proxy.port, CLUSTER_LEASE="3s")
    ran = running.wait(patience=25)
    assert ran.status in {1, 4}
    assert len(ran.sentences) == 1
    assert site.everything() >= Counter(ROWS)
    site.finish(ROWS)


def test_a_server_that_falls_silent_at_the_greeting_is_passed_over(site, proxy):
    proxy.silent = True
    hosts = f"127.0.0.1:{proxy.port},127.0.0.1:{site.iotdb.server.port}"
    ran = site.start(MYSQL_HOST=hosts).wait(patience=19)
    assert (ran.status, ran.sentences) == (0, [])
    site.check_complete(ROWS)
