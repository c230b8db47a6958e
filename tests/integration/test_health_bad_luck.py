"""Bad luck of the health check: its size, a database that is gone, wall clocks, two at once, boards that move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from servicemanager.errors import DatabaseBusy, DatabaseUnreachable, ServiceManagerError
from servicemanager.iotdb import platform_tables, tables
from servicemanager.iotdb.devices import Devices
from servicemanager.iotdb.mysql import open_mysql
from servicemanager.iotdb.sqlite import open_sqlite
from servicemanager.iotdb.stored import WallTime
from support.fleet import MINUTE, Platform
from support.iotdb import mysql_login
from support.leases import lease_database
from support.races import race
from support.tcpproxy import TcpProxy, lose_answer, tcp_proxy_before

SHOP, OTHERS = [f"A{n}" for n in range(1, 7)], [f"B{n}" for n in range(1, 5)]
MANY = 200_000


def with_boards(platform: Platform) -> Platform:
    platform.register("shop 1207", *SHOP)
    platform.register("shop 9", *OTHERS)
    platform.announce(SHOP + OTHERS)
    return platform


@pytest.fixture
def server(request, tmp_path) -> Iterator[Platform]:
    request.param = "mariadb"
    with lease_database(request, tmp_path) as database:
        yield with_boards(Platform(database))


@pytest.fixture(params=["sqlite", "mariadb"])
def platform(request, tmp_path) -> Iterator[Platform]:
    with lease_database(request, tmp_path) as database:
        yield with_boards(Platform(database))


def rows(platform: Platform, table: sa.Table) -> list[sa.Row]:
    with platform.database.reading() as connection:
        return list(connection.execute(sa.select(table)))


def subjects(platform: Platform) -> list[str]:
    """Without numbers: a transaction that was rolled back may have used some up."""
    return [row.subject.partition(" (#")[0] for row in rows(platform, tables.outbox)]


def silent(platform: Platform, boards: list[str]) -> None:
    """So long that the next check finds it, as the only news."""
    platform.announce(boards, platform.clock.now - timedelta(hours=2))
    platform.announce([board for board in SHOP + OTHERS if board not in boards])


def test_two_hundred_thousand_silent_boards_of_one_group_are_one_message_and_so_is_their_return(server):
    old = (server.clock.now - timedelta(days=1)).strftime("'%Y-%m-%d %H:%M:%S'")
    name = "CONCAT('02:', LPAD(seq, 9, '0'))"
    with server.database.transaction() as tx:
        tx.exec_driver_sql(
            "INSERT INTO Registration (device, device_group, creationDate, version, type) "
            f"SELECT {name}, 'depot', {old}, '1.2.3', 'board' FROM seq_1_to_{MANY}"
        )
        tx.exec_driver_sql(f"INSERT INTO Announcement SELECT {name}, {old} FROM seq_1_to_{MANY}")
    assert server.pass_time(10, OTHERS) == ["1 shop down (#1)"]
    body = server.pigeon.sent[-1][1]
    assert body.startswith("depot: all 200 000 boards silent since 2026-11-19 09:00. Incident #1.\n  02:000000001: ")
    assert "more, see the dashboard" in body
    assert len(body.encode()) < 256 * 1024
    before = rows(server, tables.incident), rows(server, tables.outbox)
    assert server.pass_time(10, OTHERS) == []
    assert (rows(server, tables.incident), rows(server, tables.outbox)) == before
    heard = (server.clock.now + 9 * MINUTE).strftime("'%Y-%m-%d %H:%M:%S'")
    with server.database.transaction() as tx:
        tx.exec_driver_sql(f"UPDATE Announcement SET lastAnnouncementDate = {heard} WHERE device LIKE '02:%%'")
    server.with_rules(back_after=timedelta(0))
    assert server.pass_time(10, SHOP + OTHERS) == ["200 000 recovered (#1)"]


class Killed(ServiceManagerError):
    """The process ended here."""


@contextmanager
def at_statement(platform: Platform, number: int, deed) -> Iterator[list[bool]]:
    """Before the statement of that number, do something; the list is not empty once that was done."""
    done: list[bool] = []
    left = iter(range(number))

    def count(connection, cursor, *_) -> None:
        if not done and next(left, None) is None:
            done.append(True)
            deed(connection)

    sa.event.listen(platform.database.engine, "before_cursor_execute", count)
    try:
        yield done
    finally:
        sa.event.remove(platform.database.engine, "before_cursor_execute", count)


def die(connection: sa.Connection) -> None:
    raise Killed


def test_a_check_that_is_killed_at_any_statement_tells_everything_once_after_all(platform):
    for boards, news in ((SHOP, "1 shop down"), (SHOP[:2], "4 recovered"), ([], "2 recovered")):
        if told := len(subjects(platform)):
            platform.clock.now += 10 * MINUTE
            silent(platform, boards)
            platform.check()
        number = 0
        while True:
            platform.clock.now += 10 * MINUTE
            silent(platform, boards)
            with at_statement(platform, number, die) as killed:
                try:
                    platform.check()
                except Killed:
                    number += 1
            if not killed:
                break
        assert number > 5
        assert subjects(platform)[told:] == [news]


def test_a_database_that_drops_the_connection_at_any_statement_loses_and_repeats_no_word(server):
    number = 0
    while True:
        server.clock.now += MINUTE
        silent(server, SHOP)

        def drop(connection: sa.Connection) -> None:
            thread = connection.connection.driver_connection.thread_id()
            with server.database.engine.connect() as other:
                other.exec_driver_sql(f"KILL CONNECTION {thread}")

        with at_statement(server, number, drop) as dropped:
            try:
                server.check()
            except DatabaseUnreachable:
                number += 1
        if not dropped:
            break
    assert number > 5
    assert subjects(server) == ["1 shop down"]


@pytest.fixture
def behind_a_proxy(mysql_server, mysql_database) -> Iterator[tuple[Platform, TcpProxy]]:
    with tcp_proxy_before(mysql_server.host, mysql_server.port) as proxy:
        database = open_mysql(mysql_login(replace(mysql_server, port=proxy.port), mysql_database))
        yield with_boards(Platform(database)), proxy
        database.close()


def test_a_commit_whose_answer_was_lost_is_told_once(behind_a_proxy):
    platform, proxy = behind_a_proxy
    silent(platform, SHOP)
    proxy.trap(b"COMMIT", lose_answer, after=b"INSERT INTO sm_outbox")
    with pytest.raises(DatabaseUnreachable):
        platform.check()
    assert proxy.sprung == 1
    platform.check()
    assert platform.deliver() == 1
    assert [subject for subject, _ in platform.pigeon.sent] == ["1 shop down (#1)"]


def test_of_instances_that_check_at_once_one_opens_the_incident_and_one_closes_it(server):
    """Without the lease of the job, which keeps them apart otherwise."""
    for boards in (SHOP, [], []):
        server.clock.now += 10 * MINUTE
        silent(server, boards)
        for outcome in race(lambda _: server.check(), 4):
            assert not isinstance(outcome, Exception) or isinstance(outcome, DatabaseBusy), outcome
    assert subjects(server) == ["1 shop down", "6 recovered"]
    assert len(rows(server, tables.incident)) == 1


def test_a_board_that_moves_into_a_shop_that_is_down_and_back_is_not_told_again(platform):
    platform.register("shop 8", "C1", "C2")
    platform.announce(["C1", "C2"])
    assert platform.pass_time(70, [*OTHERS, "C2"]) == ["1 shop down, 1 board silent (#1, #2)"]
    platform.move("C1", "shop 1207")
    assert platform.pass_time(20, [*OTHERS, "C2"]) == []
    platform.move("C1", "shop 8")
    assert platform.pass_time(20, [*OTHERS, "C2"]) == []
    assert platform.pass_time(20, [*OTHERS, *SHOP, "C1", "C2"]) == ["7 recovered (#1, #3)"]


def test_a_board_whose_approval_is_withdrawn_is_told_as_gone_and_anew_when_it_is_approved_again(platform):
    assert platform.pass_time(70, OTHERS + SHOP[1:]) == ["1 board silent (#1)"]
    platform.move("A1", None)
    assert platform.pass_time(20, OTHERS + SHOP[1:]) == ["1 recovered (#1)"]
    platform.move("A1", "shop 1207")
    assert platform.pass_time(20, OTHERS + SHOP[1:]) == ["1 board silent (#2)"]


def test_a_shop_that_is_renamed_while_half_of_it_is_silent_stays_one_trouble(platform):
    platform.pass_time(70, OTHERS + SHOP[3:])
    for name in SHOP:
        platform.move(name, "shop 1207b")
    assert platform.pass_time(50, OTHERS) == []
    assert platform.pass_time(10, OTHERS) == ["1 shop down (#2)"]
    assert platform.pass_time(20, OTHERS + SHOP) == ["6 recovered (#2)"]


NIGHTS = {"autumn": datetime(2026, 10, 24, 20, tzinfo=UTC), "spring": datetime(2026, 3, 28, 20, tzinfo=UTC)}


@pytest.fixture(params=["autumn", "spring"])
def berlin(request, tmp_path) -> Iterator[Platform]:
    """An older installation, whose columns hold wall times, on the evening before its clocks change."""
    wall = WallTime(ZoneInfo("Europe/Berlin"))
    made = Platform(open_sqlite(tmp_path / "iotdb.sqlite"), devices=Devices(wall, wall, wall))
    made.clock.now = NIGHTS[request.param]
    yield with_boards(made)
    made.database.close()


def test_in_a_night_in_which_clocks_change_no_board_that_is_heard_is_told_of(berlin):
    assert berlin.pass_time(10 * 60, SHOP + OTHERS) == []


@pytest.mark.parametrize("hours", [4, 5])
def test_in_a_night_in_which_clocks_change_a_board_that_dies_is_told_once_at_most_an_hour_late(berlin, hours):
    berlin.pass_time(hours * 60, SHOP + OTHERS)
    assert berlin.pass_time(50, SHOP[1:] + OTHERS) == []
    assert berlin.pass_time(90, SHOP[1:] + OTHERS) == ["1 board silent (#1)"]
    assert berlin.pass_time(5 * 60, SHOP[1:] + OTHERS) == []


@pytest.mark.parametrize("hours", [4, 5])
def test_in_a_night_in_which_clocks_change_an_outage_of_everything_is_one_notice(berlin, hours):
    berlin.pass_time(hours * 60, SHOP + OTHERS)
    (subject,) = berlin.pass_time(140)
    assert subject.startswith("nothing has been heard from any device since ")
    assert berlin.pass_time(3 * 60) == []
    assert len(berlin.pass_time(60, SHOP + OTHERS)) == 1


def test_columns_that_hold_wall_times_are_read_in_their_zone(mysql_server, mysql_database):
    mysql_server.execute(
        "CREATE TABLE Registration (device VARCHAR(20) PRIMARY KEY, device_group VARCHAR(20), registrationDate "
        "DATETIME, creationDate TIMESTAMP, version VARCHAR(60), type VARCHAR(20))",
        "CREATE TABLE Announcement (device VARCHAR(20) PRIMARY KEY, lastAnnouncementDate DATETIME)",
        database=mysql_database,
    )
    database = open_mysql(mysql_login(mysql_server, mysql_database))
    platform = Platform(database)
    platform.devices = Devices.open(database, "America/Sao_Paulo")
    with_boards(platform)
    first = rows(platform, platform_tables.announcement)[0]
    assert first.lastAnnouncementDate == datetime(2026, 11, 20, 9, 0)
    assert platform.pass_time(60, OTHERS) == []
    assert platform.pass_time(10, OTHERS) == ["1 shop down (#1)"]
    assert platform.pass_time(20, SHOP + OTHERS) == ["6 recovered (#1)"]
    database.close()
