"""The list of devices: every device once, whatever the order, the filter and the size of a part."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from servicemanager.errors import ConfigurationError, NotFound
from servicemanager.health.assess import Horizon, Status
from servicemanager.iotdb import device_list, waiting
from servicemanager.iotdb.device_list import DeviceList
from servicemanager.iotdb.moment_blocks import pack
from servicemanager.iotdb.moment_columns import from_pairs
from servicemanager.iotdb.moments import Moments, Pair
from servicemanager.iotdb.rollups import Counted, Remembered, Rollups
from servicemanager.service.desk.devices import Fleet
from servicemanager.web.documents.devices import Query, Sort
from support.service_desk import opened

SHOPS = {
    "shop 1": [f"A{n:02}" for n in range(14)],
    "shop 2": [f"B{n:02}" for n in range(9)],
    "A shop": ["C1", "C_2", "C%3", "<script>", "\u202eRTL", "😀"],
    None: ["W1", "W2", "A99"],
}
SILENT = ["A03", "A07", "B00", "C_2"]
NEVER = ["B05"]
STRANGERS = ["Z1", "A98", "z2"]


@pytest.fixture
def fleet(office):
    """All in one: heard, silent, never heard, waiting for approval, and foreign."""
    names = [name for group in SHOPS.values() for name in group]
    for group, its in SHOPS.items():
        office.platform.register(group, *its)
    office.platform.move("W2", None)
    office.announce([*STRANGERS, *(name for name in names if name not in {*NEVER, *SILENT})])
    for number, name in enumerate(SILENT):
        office.announce([name], 100 + number)
    office.check()
    return office


def every(look, query: Query) -> list[str]:
    """All parts together, as a client asks for them."""
    found, parts = [], 0
    while True:
        items, more = look(query)
        assert len(items) <= query.limit
        found += items
        parts += 1
        if more is None:
            return found
        assert parts < 200, "it never ends"
        query = query.model_copy(update={"after": more})


def small(office):
    """As the desk answers."""

    def look(query):
        answer = office.desk.devices(query)
        return [one.name for one in answer.items], answer.next

    return look


def large(office, stretch: int = 4, seconds: float = 60.0):
    """As it answers where there are too many devices to be read whole."""

    def look(query):
        now = datetime.now(UTC).replace(microsecond=0)
        devices = DeviceList(office.database, office.platform.devices, stretch, seconds)
        limits = office.platform.rules.limits
        with office.database.reading() as connection:
            fleet = Fleet(connection, devices, Horizon(now), limits, now, few=None)
            found, more = fleet.page(query)
        return [one.device.name for one in found], more

    return look


def statuses() -> dict[str, Status]:
    found = {name: Status.NORMAL for names in SHOPS.values() for name in names}
    found |= dict.fromkeys(SHOPS[None], Status.WAITING) | dict.fromkeys(SILENT, Status.SILENT)
    return found | dict.fromkeys(NEVER, Status.NEVER_SEEN)


def expected(query: Query) -> set[str]:
    """By plain Python."""
    if query.status is Status.FOREIGN:
        return {name for name in STRANGERS if name.startswith(query.search)} if not query.group else set()
    groups = {name: group for group, names in SHOPS.items() for name in names}
    return {
        name
        for name, status in statuses().items()
        if query.status in {None, status}
        and query.group in {None, groups[name]}
        and (name.startswith(query.search) or (groups[name] or "").startswith(query.search))
    }


SEARCHES, GROUPS, LIMITS = ("", "A", "shop", "C_", "a", "\u202e"), (None, "shop 1", "shop"), (1, 3, 50)


@pytest.mark.parametrize("status", [None, *Status])
def test_a_small_fleet_is_listed_whole_in_every_order(fleet, status):
    for search, group, limit, sort in product(SEARCHES, GROUPS, LIMITS, Sort):
        query = Query(search=search, group=group, status=status, sort=sort, limit=limit)
        found = every(small(fleet), query)
        assert len(found) == len(set(found)), query
        assert set(found) == expected(query), query


@pytest.mark.parametrize("status", [None, *Status])
@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_large_fleet_is_listed_by_name_in_parts_that_hold_every_device_once(fleet, status, seconds):
    for search, group, limit in product(SEARCHES, GROUPS, LIMITS):
        query = Query(search=search, group=group, status=status, limit=limit)
        found = every(large(fleet, seconds=seconds), query)
        assert len(found) == len(set(found)), query
        assert set(found) == expected(query), query


def test_who_is_silent_for_longest_comes_first(fleet):
    query = Query(sort=Sort.SEEN, limit=2)
    longest = ["C_2", "B00", "A07", "A03"]
    assert [name for name in every(large(fleet), query) if name in SILENT] == longest
    assert set(every(large(fleet), query)) == {*SILENT, *NEVER}
    assert [name for name in every(small(fleet), query) if name in SILENT] == longest


def test_orders_that_a_large_fleet_would_pay_for_are_refused_in_a_sentence(fleet):
    with pytest.raises(ConfigurationError, match="choose a group, or sort by name"):
        large(fleet)(Query(sort=Sort.GROUP))
    with pytest.raises(ConfigurationError, match="leave the status out"):
        large(fleet)(Query(sort=Sort.SEEN, status=Status.NORMAL))


def test_whoever_was_heard_since_the_last_check_is_not_listed_as_silent(fleet):
    fleet.announce(["A03"])
    assert set(every(large(fleet), Query(status=Status.SILENT))) == {*SILENT} - {"A03"}


@pytest.mark.parametrize("after", ["", "x", "WzFd", "WyJhIl0=x", "Ww", "🙂", "W" * 300])
@pytest.mark.parametrize("sort", Sort)
def test_a_mark_that_is_none_of_ours_is_refused(fleet, after, sort):
    for look in (small(fleet), large(fleet)):
        with pytest.raises(ConfigurationError):
            look(Query(after=after, sort=sort, status=Status.SILENT))


def test_one_device_is_told_with_all_that_is_known(fleet):
    desk = fleet.desk
    fleet.execute(
        "INSERT INTO Messages (device, sender, delivery_type, message) VALUES ('A03', 's', 'TRANSIENT', '<b>hi</b>')",
        "INSERT INTO Messages (device, sender, delivery_type, message) VALUES ('A03', 's', 'PERSISTENT', 'm')",
        "INSERT INTO Messages (device, sender, delivery_type, message, readDate) "
        "VALUES ('A03', 's', 'TRANSIENT', 'm', '2026-01-01 00:00:00')",
        "INSERT INTO Messages (device, sender, delivery_type, message) VALUES ('A04', 's', 'TRANSIENT', 'm')",
        "INSERT INTO DeviceStatistics (device, sensor, average, deviation, error) VALUES ('A03', 7, 10, 2.5, 0.5)",
        "UPDATE Registration SET memo = 'behind the door' WHERE device = 'A03'",
    )
    found = desk.device("A03")
    assert (found.status, found.group, found.memo) == (Status.SILENT, "shop 1", "behind the door")
    assert found.explanation == "A03 is silent: it was last heard 100 minutes ago, and the limit is 60 minutes."
    assert [incident.subject for incident in found.incidents] == ["group/shop 1/silent"]
    assert ([m.message for m in found.messages], found.messages_waiting) == (["<b>hi</b>", "m"], 2)
    (sensor,) = found.sensors
    assert (sensor.sensor, sensor.limit, sensor.published.average) == (7, 15.0, 10.0)
    assert desk.device("Z1").status is Status.FOREIGN
    for name in ("a03", "A03 ", "nobody", "", "x" * 1024, "\0", "'; DROP TABLE Registration"):
        with pytest.raises(NotFound):
            desk.device(name)


def test_what_waits_among_countless_messages_is_looked_for_among_the_newest(fleet, monkeypatch):
    monkeypatch.setattr(waiting, "LOOKED_AT", 2)
    add = "INSERT INTO Messages (device, sender, delivery_type, message) VALUES ('{}', 's', 'TRANSIENT', 'm{}')"
    fleet.execute(*(add.format("A04", n) for n in range(2)), *(add.format("A05", n) for n in range(2)))
    assert fleet.desk.device("A04").messages_waiting == 0
    fleet.execute("CREATE INDEX by_device ON Messages (device)")
    fleet.desk._door._known.forget()
    assert fleet.desk.device("A04").messages_waiting == 2


def test_a_search_that_finds_nothing_ends_within_its_time_and_goes_on_from_there(fleet):
    rare = Query(group="shop 2", search="B", limit=50)
    found, more = large(fleet, stretch=2, seconds=0.0)(rare.model_copy(update={"type": "board"}))
    assert more is not None
    assert len(found) < 9
    assert device_list._SECONDS <= 0.2


def test_the_days_of_a_sensor_come_from_the_archive_and_from_facts_together(fleet):
    day = (datetime.now(UTC) - timedelta(days=2)).date()
    fives, rollups = Moments(1, 5, 25, 5, 5), Rollups(fleet.database)
    live = from_pairs([(Pair(b"A03", 1), fives), (Pair(b"a03", 1), fives)])
    archived = from_pairs([(Pair(b"A03", 1), Moments(2, 10, 58, 3, 7))])
    with fleet.database.transaction() as tx:
        rollups.replace_live(tx, day, pack(live), Remembered(3, "j"))
        rollups.count_objects(tx, day, [Counted(1, 0)], pack(archived))
    (sensor,) = fleet.desk.device("A03").sensors
    (one,) = sensor.days
    assert (one.day, one.readings, one.mean, one.least, one.greatest) == (day, 3, 5.0, 3, 7)
    assert (sensor.published, sensor.limit) == (None, None)


@pytest.mark.parametrize("charset", ["latin1", "utf8mb3"])
def test_what_an_old_database_can_not_hold_is_not_found_there(request, tmp_path, mysql_server, mysql_database, charset):
    mysql_server.execute(f"ALTER DATABASE {mysql_database} CHARACTER SET {charset}")
    with opened(request, tmp_path, "mariadb") as office:
        office.platform.register("shop 1", "A1", "A2")
        office.announce(["A1", "A2"])
        for query in (Query(search="😀"), Query(group="😀"), Query(search="😀", status=Status.FOREIGN)):
            assert every(small(office), query) == []
        with pytest.raises(NotFound):
            office.desk.device("😀")
        assert every(small(office), Query(search="A")) == ["A1", "A2"]
