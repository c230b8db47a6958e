"""The simulated fleet's rows for Registration and Announcement, keyed by the platform's column names.

Pure. A board was last seen when its last reading arrived, or later; a dead one when it died. All times are
UTC in whole seconds. A few devices are in only one of the tables, or wait for approval, or call too seldom.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from servicemanager.demo.fleet import Fleet
from servicemanager.demo.readings import ZONE, simulate
from servicemanager.demo.sampling import Frame
from servicemanager.demo.wallclock import Seconds

Row: TypeAlias = dict[str, str | datetime | None]

_MEMOS = ("counter by the door", "shelf", "cold room", "checkout")
#: Healthy boards call every minute.
_CALL_SECONDS = 60
_SLUGGISH = timedelta(minutes=9)


def registrations(fleet: Fleet, now: datetime) -> list[Row]:
    """List the boards of the shops, devices never seen or seldom heard of, and those that wait."""
    rng = np.random.default_rng([fleet.seed, 3])
    silent = fleet.strangers
    known = [(board.device, fleet.shops[board.shop].name) for board in fleet.boards]
    known += [(device, fleet.shops[-1].name) for device in (*silent.unseen, *silent.sluggish)]
    ages = rng.integers(30, 900, len(known)).tolist()
    approved = [
        _registration(device, group, _second(now) - timedelta(days=age, minutes=age), int(age))
        for (device, group), age in zip(known, ages, strict=True)
    ]
    return approved + [_waiting(device, _second(now) - timedelta(days=2)) for device in silent.waiting]


def announcements(fleet: Fleet, now: datetime, zone: ZoneInfo = ZONE) -> list[Row]:
    """Say when each device was last in contact; foreign devices are among them, unseen ones are not."""
    rng = np.random.default_rng([fleet.seed, 4])
    calls = int(now.timestamp()) - rng.integers(0, _CALL_SECONDS, len(fleet.boards))
    seen = np.maximum(calls, _last_arrivals(fleet, now, zone))
    frame = Frame.at(now, zone)
    for death in fleet.deaths:
        seen[death.board] = frame.instant(death.at)
    rows = [
        _announcement(board.device, datetime.fromtimestamp(at, UTC))
        for board, at in zip(fleet.boards, seen.tolist(), strict=True)
    ]
    strangers = fleet.strangers
    rows += [_announcement(device, _second(now)) for device in (*strangers.waiting, *strangers.foreign)]
    return rows + [_announcement(device, _second(now) - _SLUGGISH) for device in strangers.sluggish]


def _last_arrivals(fleet: Fleet, now: datetime, zone: ZoneInfo) -> Seconds:
    """Find each board's last arrival of today, 0 for none: a contact that delivers a reading is one too."""
    last = np.zeros(len(fleet.boards), dtype=np.int64)
    for day in simulate(fleet, now, 0, zone):
        np.maximum.at(last, day.readings["board"], day.readings["arrival"])
    return last


def _registration(device: str, group: str, approved_at: datetime, age: int) -> Row:
    return {
        "device": device,
        "device_group": group,
        "registrationDate": approved_at,
        "creationDate": approved_at - timedelta(hours=1 + age % 40),
        "memo": _MEMOS[age % len(_MEMOS)],
        "version": f"1.{age % 3}.{age % 5}",
        "type": "board",
    }


def _waiting(device: str, created_at: datetime) -> Row:
    row = _registration(device, "", created_at, 0)
    return row | {"device_group": None, "registrationDate": None, "memo": "", "creationDate": created_at}


def _announcement(device: str, seen_at: datetime) -> Row:
    return {"device": device, "lastAnnouncementDate": seen_at}


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)
