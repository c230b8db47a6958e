"""The check on real databases: shops, outages, boards that come and go; what people are told, and what not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from servicemanager.alerts.decide import Reason
from servicemanager.alerts.incident import Policy
from servicemanager.alerts.outbox import CLAIM, Outbox
from servicemanager.alerts.silence import Silence, Target
from servicemanager.alerts.silences import add_silence
from servicemanager.alerts.store import load_incidents, save_incidents
from servicemanager.errors import ChannelRefused, DatabaseBusy
from servicemanager.health.assess import Limits
from servicemanager.health.findings import SCOPE
from servicemanager.iotdb import tables
from support.fleet import DOWN, MINUTE, Pigeon, Platform
from support.leases import lease_database

SHOP = [f"A{n}" for n in range(1, 7)]
OTHERS = [f"B{n}" for n in range(1, 5)]


@pytest.fixture(params=["sqlite", "mariadb"])
def platform(request, tmp_path) -> Iterator[Platform]:
    with lease_database(request, tmp_path) as database:
        made = Platform(database)
        made.register("shop 1207", *SHOP)
        made.register("shop 9", *OTHERS)
        made.announce(SHOP + OTHERS)
        yield made


def rows(platform: Platform, table: sa.Table) -> list[sa.Row]:
    with platform.database.reading() as connection:
        return list(connection.execute(sa.select(table)))


def test_a_shop_without_power_is_told_once_and_its_recovery_once(platform):
    assert platform.pass_time(60, OTHERS) == []
    assert platform.pass_time(10, OTHERS) == ["1 shop down (#1)"]
    assert platform.pass_time(120, OTHERS) == []
    assert platform.pass_time(10, SHOP + OTHERS) == []
    assert platform.pass_time(10, SHOP + OTHERS) == ["6 recovered (#1)"]
    assert platform.pass_time(60, SHOP + OTHERS) == []
    assert platform.pigeon.sent[0][1].startswith("shop 1207: all 6 boards silent since 09:00. Incident #1.\n  A1: last")


def test_an_incident_widens_and_narrows_in_place(platform):
    platform.pass_time(30, OTHERS + SHOP[1:])
    assert platform.pass_time(50, OTHERS + SHOP[2:]) == ["1 board silent (#1)"]
    assert platform.pass_time(20, OTHERS + SHOP[2:]) == ["1 board silent (#1)"]
    assert platform.pass_time(20, OTHERS + SHOP[1:]) == ["1 recovered (#1)"]
    assert "shop 1207: 1 of 6 boards silent since 09:00." in platform.pigeon.sent[-1][1]
    assert platform.pass_time(20, OTHERS + SHOP) == ["1 recovered (#1)"]
    (incident,) = rows(platform, tables.incident)
    assert incident.closed_at is not None


def test_a_check_in_which_nothing_changed_writes_nothing_to_incidents_and_outbox(platform):
    platform.pass_time(80, OTHERS)
    before = rows(platform, tables.incident), rows(platform, tables.outbox)
    assert before[0]
    assert before[1]
    assert platform.pass_time(30, OTHERS) == []
    assert (rows(platform, tables.incident), rows(platform, tables.outbox)) == before


def test_when_everything_is_silent_that_is_told_within_the_limit_and_no_device_is(platform):
    assert platform.pass_time(60) == []
    (subject,) = platform.pass_time(10)
    assert subject == "nothing has been heard from any device since 09:00 (#1)"
    assert "the gateway or the network is down" in platform.pigeon.sent[-1][1]
    assert platform.pass_time(180) == []
    (back,) = platform.pass_time(40, SHOP + OTHERS)
    assert back == "devices are heard again since 13:19, after nothing since 09:00 (#1)"


def test_a_board_that_died_in_an_outage_is_told_once_it_was_silent_for_long_enough_besides(platform):
    platform.pass_time(180)
    assert platform.pass_time(60, SHOP[1:] + OTHERS) == [
        "devices are heard again since 12:09, after nothing since 09:00 (#1)"
    ]
    assert platform.pass_time(20, SHOP[1:] + OTHERS) == ["1 board silent (#2)"]


def test_an_outage_shorter_than_the_limit_makes_nobody_silent(platform):
    platform.pass_time(30, SHOP + OTHERS)
    assert platform.pass_time(50) == []
    assert platform.pass_time(40, SHOP[1:] + OTHERS) == []


def test_two_boards_alone_are_told_of_as_boards(tmp_path, request):
    request.param = "sqlite"
    with lease_database(request, tmp_path) as database:
        platform = Platform(database)
        platform.register("shop 1", "A", "B")
        platform.announce(["A", "B"])
        assert platform.pass_time(70) == ["1 shop down (#1)"]


def test_a_flapping_board_is_told_once_and_once_more_when_it_has_calmed_down(platform):
    platform.with_rules(limits=Limits(timedelta(minutes=10)), policy=Policy(flapping=2))
    told = []
    for _ in range(6):
        told += platform.pass_time(20, SHOP[1:] + OTHERS)
        told += platform.pass_time(20, SHOP + OTHERS)
    down, up = "1 board silent (#1)", "1 recovered (#1)"
    assert told == [down, up, down.replace("1)", "2)"), up.replace("1)", "2)"), "1 board flapping (#3)"]
    assert platform.pass_time(24 * 60, SHOP + OTHERS) == ["1 recovered (#3)"]
    assert platform.pigeon.sent[-1][1].splitlines()[1].endswith("it has calmed down")


def test_a_trouble_that_lasts_is_told_again_after_a_day(platform):
    platform.pass_time(70, OTHERS)
    assert platform.pass_time(23 * 60 + 50, OTHERS) == []
    assert platform.pass_time(10, OTHERS) == ["6 still silent (#1)"]


def test_under_a_silence_the_check_goes_on_and_its_end_brings_one_digest_of_what_is_still_true(platform):
    with platform.database.transaction() as tx:
        ends_at = platform.clock.now + timedelta(hours=4)
        add_silence(tx, Silence(Target.GROUP, "shop 1207", "works", platform.clock.now, ends_at))
    platform.pass_time(60, OTHERS)
    platform.clock.now += 10 * MINUTE
    platform.announce(OTHERS)
    assert {d.reason for d in platform.check().decisions} == {Reason.SILENCED}
    assert platform.pass_time(120, OTHERS + SHOP[:2]) == []
    assert platform.pass_time(60, OTHERS + SHOP[:2]) == ["4 boards silent (#1)"]


def test_a_group_that_is_renamed_and_a_board_that_moves_are_not_told_again(platform):
    platform.pass_time(70, OTHERS)
    for name in SHOP:
        platform.move(name, "shop 1208")
    assert platform.pass_time(30, OTHERS) == []
    assert platform.pass_time(20, SHOP + OTHERS) == ["6 recovered (#2)"]
    assert [row.subject for row in rows(platform, tables.incident) if row.closed_at] == [
        "group/shop 1207/silent",
        "group/shop 1208/silent",
    ]


def test_a_board_that_is_unregistered_during_its_incident_is_told_as_gone(platform):
    platform.pass_time(70, OTHERS + SHOP[1:])
    platform.unregister("A1")
    assert platform.pass_time(10, OTHERS + SHOP[1:]) == ["1 recovered (#1)"]
    assert "A1: no longer registered" in platform.pigeon.sent[-1][1]


def test_an_announcement_in_the_future_hides_no_outage(platform):
    platform.announce(["B1"], platform.clock.now + timedelta(days=400))
    assert platform.pass_time(70) == ["nothing has been heard from any device since 09:00 (#1)"]


def test_names_are_compared_by_bytes_and_hostile_ones_are_data(platform):
    hostile = ["%s\n%(x)s", "<b>&amp;</b>", "\N{PILE OF POO}" * 20, "a'; DROP TABLE x;--"]
    platform.register("shop\r\nBcc: x", *hostile)
    platform.announce(hostile)
    (subject,) = platform.pass_time(70, OTHERS + SHOP)
    assert subject == "1 shop down (#1)"
    body = platform.pigeon.sent[-1][1]
    assert body.startswith("shop\\r\\nBcc: x: all 4 boards silent")
    assert "  %s\\n%(x)s: last heard 09:00" in body
    assert platform.pass_time(20, OTHERS + SHOP + hostile) == ["4 recovered (#1)"]


def test_a_group_limit_goes_before_a_type_limit_and_both_before_the_general_one(platform):
    limits = Limits(timedelta(hours=9), {"shop 9": timedelta(minutes=30)}, {"door": timedelta(minutes=120)})
    platform.register("shop 9", "C1", kind="door")
    platform.register("shop 1207", "C2", kind="door")
    platform.announce(["C1", "C2"])
    platform.with_rules(limits=limits)
    assert platform.pass_time(40, SHOP) == ["1 shop down (#1)"]
    assert platform.pass_time(90, SHOP) == ["1 board silent (#2)"]


def test_a_board_that_was_never_heard_is_told_and_one_that_waits_for_approval_is_not(platform):
    platform.register(None, "W1")
    platform.register("shop 9", "N1")
    assert platform.pass_time(10, SHOP + OTHERS) == ["1 board silent (#1)"]
    assert "N1: never seen" in platform.pigeon.sent[-1][1]


def test_foreign_devices_are_told_only_when_asked_for(platform):
    assert platform.pass_time(10, [*SHOP, *OTHERS, "X"]) == []
    platform.with_rules(foreign=True)
    assert platform.pass_time(10, [*SHOP, *OTHERS, "X"]) == ["1 foreign device (#1)"]


def test_always_sends_the_old_list_in_the_old_words_at_every_run_and_never_an_empty_one(platform):
    platform.with_rules(always=True)
    assert platform.pass_time(60, OTHERS) == []
    assert platform.pass_time(20, OTHERS) == ["Operational Report of Devices"] * 2
    body = platform.pigeon.sent[-1][1]
    assert body.splitlines()[:2] == ["Report of devices in warning or fail status: ", "A1: 80 minutes. "]


def test_a_second_instance_that_checks_at_once_opens_no_second_incident(platform):
    platform.pass_time(60, OTHERS)
    platform.clock.now += 10 * MINUTE
    platform.announce(OTHERS)
    with platform.database.reading() as connection:
        from servicemanager.health.check import Check

        late = Check(platform.database, platform.devices, platform.rules, ["pigeon"]).look(connection)
    platform.check()
    with pytest.raises(DatabaseBusy), platform.database.transaction() as tx:
        save_incidents(tx, late.before, late.after)
    assert len(rows(platform, tables.incident)) == 1


def test_who_decides_on_an_outdated_incident_changes_nothing(platform):
    platform.pass_time(70, OTHERS)
    with platform.database.transaction() as tx:
        before = load_incidents(tx, platform.clock.now, SCOPE)
    platform.pass_time(10, OTHERS + SHOP[:2])
    with pytest.raises(DatabaseBusy, match="Another instance"), platform.database.transaction() as tx:
        now = platform.clock.now
        save_incidents(tx, before, [replace(before[0], closed_at=now)])


def test_a_message_waits_while_its_channel_is_down_and_arrives_later(platform):
    platform.pigeon.failure = DOWN
    assert platform.pass_time(70, OTHERS) == []
    waiting = Outbox(platform.database).undelivered()
    assert (waiting.count, waiting.oldest_at, waiting.error) == (1, platform.clock.now, "the pigeon is tired")
    platform.pigeon.failure = None
    assert platform.pass_time(10, OTHERS) == ["1 shop down (#1)"]
    assert Outbox(platform.database).undelivered().count == 0


def test_no_recovery_is_told_before_its_trouble(platform):
    platform.pigeon.failure = DOWN
    platform.pass_time(70, OTHERS)
    for _ in range(8):
        platform.deliver()
        platform.clock.now += MINUTE
    platform.pass_time(20, OTHERS + SHOP)
    platform.pigeon.failure = None
    assert platform.pass_time(10, OTHERS + SHOP) == ["1 shop down (#1)", "6 recovered (#1)"]


def test_a_refused_message_is_tried_rarely_and_arrives_once_the_channel_is_put_right(platform):
    platform.pigeon.failure = ChannelRefused("no permission")
    platform.pass_time(70, OTHERS)
    (row,) = rows(platform, tables.outbox)
    assert (row.failure, row.due_at - platform.clock.now) == ("permanent", timedelta(hours=1))
    platform.pigeon.failure = None
    assert platform.pass_time(50, OTHERS) == []
    assert platform.pass_time(10, OTHERS) == ["1 shop down (#1)"]


def test_one_who_dies_with_a_claim_is_followed_by_another(platform):
    platform.pigeon.failure = DOWN
    platform.pass_time(70, OTHERS)
    platform.clock.now += MINUTE
    outbox = Outbox(platform.database)
    assert outbox.claim() is not None
    assert outbox.claim() is None
    platform.clock.now += CLAIM
    again = outbox.claim()
    assert again is not None
    assert again.attempts == 3


def test_a_message_for_a_channel_that_is_configured_no_more_stays_visible(platform):
    platform.pass_time(60, OTHERS)
    platform.pigeon, old = Pigeon("raven"), platform.pigeon
    platform.clock.now += 10 * MINUTE
    platform.announce(OTHERS)
    platform.check()
    platform.pigeon = old
    platform.deliver()
    assert "not configured any more" in (Outbox(platform.database).undelivered().error or "")


def test_head_counts_are_those_of_the_view_with_five_minutes_as_warning(platform):
    now = platform.clock.now
    ages = [4.9, 5, 15.9, 16, 17]
    for name, age in zip(SHOP, ages, strict=False):
        platform.announce([name], now - timedelta(minutes=age))
    platform.register(None, "W1")
    platform.register("shop 9", "N1")
    with platform.database.reading() as connection:
        counted = platform.devices.head_counts(connection, now)
    assert counted == {"NORMAL": 6, "WARNING": 2, "FAIL": 2, "UNKNOWN": 1, "WAITING_APPROVE": 1}
