"""What the boards of a fleet read on one local day, and when each reading reaches the gateway.

Pure: the draws of a day depend on the fleet's seed and that day's date alone, so days can be made in any
order and a later ``now`` only adds readings. No arrival is earlier than its event. Readings are a structured
array with one record each; times are instants in epoch seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from servicemanager.demo.fleet import SENSORS, Fleet, Moment
from servicemanager.demo.wallclock import SECONDS_OF_DAY, Seconds, day_bounds, instant, wall_clock, week_days
from servicemanager.iotdb.window import Calendar

READING = np.dtype(
    [
        ("board", np.int32),
        ("sensor", np.int32),
        ("event", np.int64),
        ("arrival", np.int64),
        ("data", np.int32),
        ("spike", np.bool_),
    ]
)
Readings: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[np.bool_]

#: A board that is back first looks for its gateway this long, so a stored reading is at least as late.
LATE_SECONDS = 300
_LIVE_SECONDS = 5
#: Stored readings are sent 600 times as fast as they were taken.
_CATCH_UP = 600
_SPIKE_SHARE = 0.0004
_SPIKES = (4_000, 10_000)
_SUNDAY = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """Where in time a fleet's moments lie: counted back from a local day, in a zone."""

    today: date
    zone: ZoneInfo

    @classmethod
    def at(cls, now: datetime, zone: ZoneInfo) -> Frame:
        return cls(Calendar(zone).day_of(now), zone)

    def day(self, days_ago: int) -> date:
        return self.today - timedelta(days=days_ago)

    def instant(self, moment: Moment) -> int:
        return instant(self.day(moment.days_ago), moment.minute, self.zone)


def draws(fleet: Fleet, day: date, purpose: int) -> np.random.Generator:
    """Open the source of chance for one purpose on one day, whatever was drawn before."""
    return np.random.default_rng([fleet.seed, day.toordinal(), purpose])


def sample_day(fleet: Fleet, frame: Frame, day: date) -> Readings:
    """All that the boards read on a local day, by board, time and sensor, with their arrivals."""
    rng = draws(fleet, day, 1)
    boards, events = _contacts(fleet, frame, day)
    readings = np.zeros(len(boards) * len(SENSORS), dtype=READING)
    readings["board"] = np.repeat(boards, len(SENSORS))
    readings["sensor"] = np.tile(SENSORS, len(boards))
    readings["event"] = np.repeat(events, len(SENSORS))
    # All sensors of a contact travel together, and so arrive in the same second.
    delays = rng.integers(0, _LIVE_SECONDS, len(boards))
    readings["arrival"] = readings["event"] + np.repeat(delays, len(SENSORS))
    _measure(readings, boards, wall_clock(events, frame.zone), rng)
    _add_spikes(readings, rng)
    _hold_back(readings, fleet, frame)
    return readings


def _contacts(fleet: Fleet, frame: Frame, day: date) -> tuple[NDArray[np.int64], Seconds]:
    """Find the board and the instant of each contact: one per board and interval, where it is up and open."""
    begin, end = day_bounds(day, frame.zone)
    phases = np.array([board.phase for board in fleet.boards], dtype=np.int64)
    instants = np.arange(begin, end, fleet.interval, dtype=np.int64) + phases[:, None]
    up = _open(fleet, wall_clock(instants, frame.zone)) & _alive(fleet, frame, instants)
    boards, slots = np.nonzero(up & (instants < end))
    return boards, instants[boards, slots]


def _open(fleet: Fleet, wall: Seconds) -> Mask:
    """Tell which of the wall times, one row per board, fall into the opening hours of the board's shop."""
    shops = [fleet.shop_of(board) for board in range(len(fleet.boards))]
    opens = np.array([shop.opens for shop in shops])[:, None] * 60
    closes = np.array([shop.closes for shop in shops])[:, None] * 60
    on_sundays = np.array([shop.open_on_sundays for shop in shops])[:, None]
    second = wall % SECONDS_OF_DAY
    is_open: Mask = (opens <= second) & (second < closes) & (on_sundays | (week_days(wall) != _SUNDAY))
    return is_open


def _alive(fleet: Fleet, frame: Frame, instants: Seconds) -> Mask:
    """Tell which of the instants, one row per board, find the board with power and not dead."""
    alive = np.ones(instants.shape, dtype=np.bool_)
    shop_of = np.array([board.shop for board in fleet.boards])
    for cut in fleet.power_cuts:
        dark = (frame.instant(cut.since) <= instants) & (instants < frame.instant(cut.until))
        alive &= ~(dark & (shop_of == cut.shop)[:, None])
    for death in fleet.deaths:
        # What was on its way to the gateway dies with the board, so nothing arrives after its death.
        alive[death.board] &= instants[death.board] < frame.instant(death.at) - _LIVE_SECONDS
    return alive


def _measure(readings: Readings, boards: NDArray[np.int64], wall: Seconds, rng: np.random.Generator) -> None:
    """Fill in believable values: busy at noon and after work, warm in the afternoon, cold in the cabinet."""
    hour = wall % SECONDS_OF_DAY / 3600
    crowd = 2 + 9 * np.exp(-(((hour - 12.5) / 2) ** 2)) + 12 * np.exp(-(((hour - 18) / 1.5) ** 2))
    readings["data"][0::3] = rng.poisson(crowd)
    warmth = 215 + 25 * np.sin((hour - 9) * np.pi / 12) + boards % 7
    readings["data"][1::3] = np.rint(warmth + rng.normal(0, 6, len(boards)))
    readings["data"][2::3] = np.rint(-180 + boards % 11 + rng.normal(0, 8, len(boards)))


def _add_spikes(readings: Readings, rng: np.random.Generator) -> None:
    where = rng.random(len(readings)) < _SPIKE_SHARE
    readings["spike"] = where
    readings["data"][where] = rng.integers(*_SPIKES, int(where.sum()))


def _hold_back(readings: Readings, fleet: Fleet, frame: Frame) -> None:
    """Let what an absent board has read arrive after it is back, in the order in which it was read."""
    for absence in fleet.absences:
        since, back = frame.instant(absence.since), frame.instant(absence.back)
        events = readings["event"]
        stored = (readings["board"] == absence.board) & (since <= events) & (events < back)
        readings["arrival"][stored] = back + LATE_SECONDS + (events[stored] - since) // _CATCH_UP
