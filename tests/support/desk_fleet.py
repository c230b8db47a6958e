"""A made-up fleet for the pages: 750 shops with two boards each, two of them down, and names meant to break a page."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from servicemanager.alerts.silence import Target
from servicemanager.health.assess import Status
from servicemanager.web.documents.devices import Device, DeviceDetail, Message, Published, Sensor, SensorDay
from servicemanager.web.documents.document import Page
from servicemanager.web.documents.incidents import Incident, IncidentDetail, Member, Silence, Silenceable
from servicemanager.web.documents.overview import HeadCount

SCRIPT = '"><script>x</script>'  # as long as a device's name may be
HOSTILE = "<img src=x onerror=alert(1)> & \u202egnp.exe\u202c '\"</td></table>"
LONG = ("Below the counter, second socket; " * 40)[:1024]
LIMIT = 3600.0
_DOWN = ("shop 0207", "shop 0612")


def shop(number: int) -> str:
    return f"shop {number:04d}"


def devices(now: datetime) -> tuple[Device, ...]:
    """1 500 boards of 750 shops, five that nobody approved yet, and two with hostile names."""
    return (*_boards(now), *_waiting(now), *_hostile(now))


def _boards(now: datetime) -> Iterator[Device]:
    dice = random.Random(7)  # noqa: S311 -- the same fleet each time
    for number in range(1, 751):
        for board in ("door", "fridge"):
            group = shop(number)
            silent = 5_400.0 + number if group in _DOWN else dice.uniform(5, 240)
            never = (number, board) == (401, "fridge")
            yield Device(
                name=f"{number:04d}-{board}",
                group=group,
                type="MECCANO-2" if board == "door" else "COLD-1",
                version=dice.choice(("2.4.1", "2.4.1", "2.4.1", "2.3.0")),
                status=Status.NEVER_SEEN if never else Status.SILENT if group in _DOWN else Status.NORMAL,
                registered_at=now - timedelta(days=400 - number / 3),
                seen_at=None if never else now - timedelta(seconds=silent),
                silent_seconds=9_000.0 if never else silent,
                limit_seconds=LIMIT,
            )


def _waiting(now: datetime) -> Iterator[Device]:
    for number in range(1, 6):
        seen_at = now - timedelta(minutes=number)
        yield _device(f"new-{number}", None, Status.WAITING, seen_at, now)


def _hostile(now: datetime) -> Iterator[Device]:
    yield _device(SCRIPT, "<b>shop</b> & 'co'", Status.NORMAL, now - timedelta(seconds=30), now)
    yield _device("../?a=b#c%2F;d\u202ee", "\u202epohs\u202c 12", Status.SILENT, now - timedelta(hours=9), now)


def _device(name: str, group: str | None, status: Status, seen_at: datetime, now: datetime) -> Device:
    return Device(
        name=name,
        group=group,
        type=None,
        version=None,
        status=status,
        registered_at=now - timedelta(days=1),
        seen_at=seen_at,
        silent_seconds=(now - seen_at).total_seconds(),
        limit_seconds=LIMIT,
    )


def detail(
    device: Device, silences: tuple[Silence, ...], incidents: tuple[Incident, ...], now: datetime
) -> DeviceDetail:
    hostile = device.name == SCRIPT
    ended = device.status is Status.SILENT
    return DeviceDetail(
        **device.model_dump(),
        memo=HOSTILE + LONG if hostile else "Fridge 2, beside the till" if "fridge" in device.name else None,
        explanation=(
            f"The device was heard of last {device.silent_seconds / 60:.0f} minutes ago; its limit is 60 minutes, "
            f"that of everything. So it is {device.status}."
        ),
        incidents=incidents,
        silences=silences,
        messages=(_message(HOSTILE if hostile else "SET interval=60", now),) if hostile or ended else (),
        messages_waiting=1 if hostile or ended else 0,
        sensors=tuple(_sensors(now)) if device.seen_at else (),
    )


def _message(text: str, now: datetime) -> Message:
    return Message(
        number=81,
        sender="console",
        delivery_type="PERSISTENT",
        message=text,
        created_at=now - timedelta(hours=3),
        read_at=None,
    )


def _sensors(now: datetime) -> Iterator[Sensor]:
    """A calm one, one whose readings the gateway would throw away, and one that nothing is published for."""
    for sensor, middle, spread, published in ((1, 40, 9.0, True), (2, 250, 8.0, True), (3, -18, 2.0, False)):
        dice = random.Random(sensor)  # noqa: S311 -- the same fleet each time
        days = tuple(
            SensorDay(
                day=(now - timedelta(days=back)).date(),
                readings=dice.randrange(1300, 1441),
                mean=middle + dice.gauss(0, spread / 3),
                deviation=spread * dice.uniform(0.7, 1.3),
                least=round(middle - 4 * spread),
                greatest=round(middle + dice.uniform(3, 7) * spread),
            )
            for back in range(29, -1, -1)
            if back not in {11, 12}
        )
        row = Published(average=middle, deviation=spread, error=spread / 200, published_at=now - timedelta(hours=14))
        yield Sensor(
            sensor=sensor, published=row if published else None, limit=6 * spread if published else None, days=days
        )


def fleet(now: datetime) -> tuple[HeadCount, ...]:
    """Four hours, every ten minutes; half an hour of an outage in the middle."""
    dice = random.Random(3)  # noqa: S311 -- the same fleet each time

    def count(back: int) -> HeadCount:
        lost = 900 if 9 <= back <= 11 else 0
        fail = 6 + dice.randrange(4) + (4 if back < 9 else 0)
        warning = 10 + dice.randrange(12) + lost // 3
        return HeadCount(
            at=now - timedelta(minutes=10 * back + 2),
            normal=1_501 - fail - warning - lost,
            warning=warning,
            fail=fail + lost - lost // 3,
            unknown=1,
            waiting_approve=5,
        )

    return tuple(count(back) for back in range(23, -1, -1))


def incidents(now: datetime) -> tuple[IncidentDetail, ...]:
    """Open and closed ones, the newest first."""
    hours = timedelta(hours=1)
    opened = [
        _incident(312, shop(612), "2 silent", now - 0.4 * hours, now),
        _incident(309, shop(207), "2 silent", now - 1.5 * hours, now),
        _other(306, "job:export", "The job export failed", now - 9.2 * hours, now),
        _incident(305, "\u202epohs\u202c 12", "1 silent", now - 9 * hours, now),
        _flapping(288, now),
    ]
    closed = [
        _incident(287 - back, shop(17 * back % 750 + 1), "2 silent", now - (20 + 7 * back) * hours, now, over=True)
        for back in range(70)
    ]
    return (*opened, *closed)


def _incident(
    number: int, group: str, title: str, opened_at: datetime, now: datetime, *, over: bool = False
) -> IncidentDetail:
    closed_at = opened_at + timedelta(hours=2, minutes=number % 50) if over else None
    names = [f"{group[-4:]}-{board}" for board in ("door", "fridge")]
    members = tuple(
        _member(name, group, "silent", opened_at - timedelta(hours=1), closed_at, index)
        for index, name in enumerate(names[: int(title[0])])
    )
    return IncidentDetail(
        number=number,
        subject=f"group/{group}/silent",
        title=f"{group}: {title}",
        opened_at=opened_at,
        told_at=opened_at + timedelta(seconds=4),
        closed_at=closed_at,
        silenceable=Silenceable(target=Target.GROUP, name=group),
        silences=silences(now)[:1] if group == shop(207) else (),
        members=Page[Member](items=members),
    )


def _member(name: str, group: str, trouble: str, since_at: datetime, closed_at: datetime | None, index: int) -> Member:
    return Member(
        name=name,
        group=group,
        trouble=trouble,
        type="MECCANO-2",
        version="2.4.1",
        since_at=since_at - timedelta(seconds=index * 7),
        better_at=closed_at,
        ended="back" if closed_at else None,
    )


def _other(number: int, subject: str, title: str, opened_at: datetime, now: datetime) -> IncidentDetail:
    return IncidentDetail(
        number=number,
        subject=subject,
        title=title,
        opened_at=opened_at,
        told_at=None,
        closed_at=None,
        silenceable=Silenceable(target=Target.SUBJECT, name=subject),
        silences=(),
        members=Page[Member](items=(_member(title, "", "", opened_at, None, 0),)),
    )


def _flapping(number: int, now: datetime) -> IncidentDetail:
    one = _incident(number, shop(33), "1 flapping", now - timedelta(hours=19), now)
    better_at = now - timedelta(minutes=3)
    members = tuple(m.model_copy(update={"trouble": "flapping", "better_at": better_at}) for m in one.members.items)
    return one.model_copy(update={"members": Page[Member](items=members)})


def silences(now: datetime) -> tuple[Silence, ...]:
    hour = timedelta(hours=1)
    rows = (
        (7, Target.GROUP, shop(207), "New switchboard, until the electrician is done", -1 * hour, 3 * hour, None, True),
        (6, Target.TYPE, "COLD-1", HOSTILE, 2 * hour, 14 * hour, None, False),
        (4, Target.SUBJECT, "job:statistics", "Nightly backup of the database", -900 * hour, None, "0 3 * * *", False),
        (2, Target.DEVICE, SCRIPT, LONG[:255], -20 * hour, 4 * hour, None, True),
    )
    return tuple(
        Silence(
            number=number,
            target=target,
            name=name,
            reason=reason,
            starts_at=now + starts,
            ends_at=now + ends if ends else None,
            cron=cron,
            duration_seconds=5_400 if cron else None,
            in_force=in_force,
            by="maria@example.com" if number > 2 else None,
        )
        for number, target, name, reason, starts, ends, cron, in_force in rows
    )
