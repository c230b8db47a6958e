"""One day with a shop outage, a gateway outage and a flapping board: exactly these messages, and no others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from servicemanager.alerts.incident import Policy
from servicemanager.iotdb.sqlite import open_sqlite
from support.fleet import Platform

SHOP = [f"A{n}" for n in range(1, 4)]
OTHERS = [f"B{n}" for n in range(1, 4)]
FLAPPER = ["F1"]

DAY = """\
11:10 1 shop down (#1)
shop 1207: all 3 boards silent since 10:09. Incident #1.
  A1: last heard 10:09, 1 h ago, firmware 1.2.0
  A2: last heard 10:09, 1 h ago, firmware 1.2.0
  A3: last heard 10:09, 1 h ago, firmware 1.2.0

The next check is at 11:20. You are told when this changes, and again after 1 d if it does not.

12:30 3 recovered (#1)
shop 1207: no board is silent any more. Incident #1.
  A1: back since 12:19, was silent for 2 h 10 min
  A2: back since 12:19, was silent for 2 h 10 min
  A3: back since 12:19, was silent for 2 h 10 min

The next check is at 12:40. Nothing more is expected of you.

14:10 nothing has been heard from any device since 13:09 (#2)
Nothing has been heard from any device since 13:09: the gateway or the network is down. \
No device is reported before contact is back. Incident #2.

The next check is at 14:20. You are told when this changes, and again after 1 d if it does not.

15:30 devices are heard again since 15:19, after nothing since 13:09 (#2)
Devices are heard again since 15:19, after nothing since 13:09. Incident #2.

The next check is at 15:40. Nothing more is expected of you.

17:10 1 board silent (#3)
shop 12: 1 of 2 boards silent since 16:09. Incident #3.
  F1: last heard 16:09, 1 h ago, firmware 1.1.9

The next check is at 17:20. You are told when this changes, and again after 1 d if it does not.

17:40 1 recovered (#3)
shop 12: no board is silent any more. Incident #3.
  F1: back since 17:29, was silent for 1 h 20 min

The next check is at 17:50. Nothing more is expected of you.

18:40 1 board flapping (#4)
shop 12: 1 of 2 boards silent since 17:39. Incident #4.
  F1: flapping, 2 times silent within a day; not told again until it calms down

The next check is at 18:50. You are told when this changes, and again after 1 d if it does not.
"""


@pytest.fixture
def platform(tmp_path):
    made = Platform(open_sqlite(tmp_path / "iotdb.sqlite"))
    made.with_rules(policy=Policy(flapping=1), cron="*/10 * * * *")
    made.register("shop 1207", *SHOP)
    made.register("shop 9", *OTHERS)
    made.register("shop 12", *FLAPPER, "F2", version="1.1.9")
    made.announce([*SHOP, *OTHERS, *FLAPPER, "F2"])
    yield made
    made.database.close()


def test_a_made_up_day_brings_exactly_these_messages(platform):
    everybody = [*SHOP, *OTHERS, *FLAPPER, "F2"]
    without_shop, without_flapper = [*OTHERS, *FLAPPER, "F2"], [*SHOP, *OTHERS, "F2"]
    log = []

    def pass_hours(hours: float, heard: list[str]) -> None:
        for _ in range(int(hours * 6)):
            before = len(platform.pigeon.sent)
            platform.pass_time(10, heard)
            local = platform.clock.now - timedelta(hours=3)
            log.extend(f"{local:%H:%M} {subject}\n{body}\n" for subject, body in platform.pigeon.sent[before:])

    pass_hours(70 / 60, everybody)  # 09:00 to 10:10: all is well
    pass_hours(2, without_shop)  # 10:10 to 12:10: a shop without power
    pass_hours(1, everybody)
    pass_hours(2, [])  # 13:10 to 15:10: the gateway is down
    pass_hours(1, everybody)
    for _ in range(3):  # from 16:10 on: a board with a loose plug
        pass_hours(70 / 60, without_flapper)
        pass_hours(20 / 60, everybody)
    assert "\n".join(log) == DAY
