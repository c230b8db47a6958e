"""The demo's gateway inserts what boards send, and nothing for boards without power."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from servicemanager.demo.fleet import make_fleet
from servicemanager.demo.gateway import Gateway
from servicemanager.demo.past import head_counts
from servicemanager.demo.readings import ZONE
from servicemanager.demo.registry import announcements
from servicemanager.iotdb import platform_tables
from servicemanager.iotdb.sqlite import create_platform, open_sqlite

BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path):
    database = open_sqlite(tmp_path / "iotdb.sqlite")
    create_platform(database)
    yield database
    database.close()


def test_before_the_service_starts_every_board_with_power_has_just_called(database):
    fleet = make_fleet(shops=4, interval=20)
    with database.transaction() as tx:
        tx.execute(platform_tables.announcement.insert(), announcements(fleet, BEGIN - timedelta(days=1)))
    gateway = Gateway(database, fleet, ZONE)
    gateway.call()
    with database.reading() as connection:
        heard = platform_tables.announcement.c.lastAnnouncementDate > BEGIN.replace(tzinfo=None) - timedelta(hours=12)
        called = set(connection.execute(sa.select(platform_tables.announcement.c.device).where(heard)).scalars())
    assert called >= {board.device for board in gateway._lit(dark=False)}


def test_the_head_counts_of_the_last_hours_add_up_to_the_fleet_at_each_time():
    fleet = make_fleet()
    rows = list(head_counts(fleet, BEGIN))
    strangers = fleet.strangers
    registered = len(fleet.boards) + len(strangers.sluggish) + len(strangers.unseen) + len(strangers.waiting)
    times = sorted({row["creationDate"] for row in rows})
    assert times[0] == BEGIN - timedelta(hours=4)
    assert len(times) == 24
    for at in times:
        counts = [row["numberOfDevices"] for row in rows if row["creationDate"] == at]
        assert min(counts) >= 0
        assert sum(counts) == registered


@pytest.mark.parametrize("dark", [False, True])
def test_in_one_interval_each_lit_board_sends_each_sensor_once(database, dark):
    fleet = make_fleet(shops=4, interval=20)
    gateway, rng = Gateway(database, fleet, ZONE), np.random.default_rng(1)
    with database.transaction() as tx:
        tx.execute(platform_tables.announcement.insert(), announcements(fleet, BEGIN - timedelta(days=1)))
    for second in range(20):
        gateway.tick(BEGIN + timedelta(seconds=second), rng, dark=dark)
    lit = [board.device for board in gateway._lit(dark=dark)]
    assert all(board.device not in lit for board in fleet.boards if dark and board.shop == 0)
    with database.reading() as connection:
        found = connection.execute(sa.select(platform_tables.facts.c.device, platform_tables.facts.c.sensor)).all()
        heard = platform_tables.announcement.c.lastAnnouncementDate > BEGIN.replace(tzinfo=None) - timedelta(hours=12)
        called = set(connection.execute(sa.select(platform_tables.announcement.c.device).where(heard)).scalars())
    assert sorted(found) == sorted((device, sensor) for device in lit for sensor in (1, 2, 3))
    assert set(lit) <= called
