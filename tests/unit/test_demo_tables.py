"""The simulated fleet in the platform's tables: Facts, Registration, Announcement."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa

from servicemanager.demo.fleet import Fleet
from servicemanager.demo.load import load_facts
from servicemanager.demo.readings import readings
from servicemanager.demo.registry import announcements, registrations
from servicemanager.iotdb import platform_tables
from simulated import NOW, small_fleet, whole


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return small_fleet()


@pytest.fixture(scope="module")
def table(fleet: Fleet) -> pa.Table:
    return whole(fleet)


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    platform_tables.platform.create_all(engine)
    with engine.connect() as connection:
        yield connection.connection.driver_connection
    engine.dispose()


@pytest.mark.parametrize("isolation_level", ["", None])
def test_loading_keeps_every_value(
    fleet: Fleet, table: pa.Table, database: sqlite3.Connection, isolation_level: str | None
) -> None:
    database.isolation_level = isolation_level
    assert load_facts(database, readings(fleet, NOW)) == len(table)
    assert not database.in_transaction
    expected = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    stored = database.execute('SELECT * FROM "Facts" ORDER BY rowid').fetchall()
    assert [row[:-1] for row in stored] == [row[:-1] for row in expected]
    assert [row[-1] for row in stored] == [f"{row[-1]:%Y-%m-%d %H:%M:%S}" for row in expected]


def test_a_load_that_fails_keeps_whole_tables(fleet: Fleet, database: sqlite3.Connection) -> None:
    def two_and_a_mishap():
        pieces = readings(fleet, NOW)
        yield next(pieces)
        yield next(pieces)
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        load_facts(database, two_and_a_mishap())
    first, second, *_ = readings(fleet, NOW)
    assert database.execute('SELECT COUNT(*) FROM "Facts"').fetchone() == (len(first) + len(second),)


def test_registrations_and_announcements_fit_into_their_tables(fleet: Fleet) -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    platform_tables.platform.create_all(engine)
    with engine.begin() as connection:
        connection.execute(platform_tables.registration.insert(), registrations(fleet, NOW))
        connection.execute(platform_tables.announcement.insert(), announcements(fleet, NOW))
        seen = dict(connection.execute(sa.select(platform_tables.announcement)).all())
    engine.dispose()
    assert max(seen.values()) == NOW.replace(tzinfo=None)


def test_strangers_wait_or_are_foreign_or_were_never_seen(fleet: Fleet) -> None:
    groups = {row["device"]: row["device_group"] for row in registrations(fleet, NOW)}
    seen = {row["device"]: row["lastAnnouncementDate"] for row in announcements(fleet, NOW)}
    strangers = fleet.strangers
    assert {device for device, group in groups.items() if group is None} == set(strangers.waiting)
    assert set(seen) - set(groups) == set(strangers.foreign)
    assert set(groups) - set(seen) == set(strangers.unseen)
    assert all(NOW - seen[device] == timedelta(minutes=9) for device in strangers.sluggish)


def test_a_board_was_last_seen_when_its_last_reading_arrived_or_later(fleet: Fleet, table: pa.Table) -> None:
    seen = {row["device"]: row["lastAnnouncementDate"] for row in announcements(fleet, NOW)}
    last = table.group_by("device").aggregate([("creationDate", "max")])
    for device, arrival in zip(*(last[name].to_pylist() for name in last.column_names), strict=True):
        assert arrival <= seen[device] <= NOW


def test_dead_boards_alone_have_not_been_seen_for_long(fleet: Fleet) -> None:
    dead = {fleet.boards[death.board].device for death in fleet.deaths}
    long_ago = NOW - timedelta(minutes=15)
    silent = {row["device"] for row in announcements(fleet, NOW) if row["lastAnnouncementDate"] < long_ago}
    assert silent == dead
