"""Silences: when nobody wants to be told, by device, group, type or subject; pure.

A silence holds from one instant to another, or again and again: from each firing of a cron pattern, in the zone of
the settings, for a duration of elapsed time. So on the day of a change of clocks it is neither shorter nor longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from servicemanager.alerts.incident import Member


class Target(StrEnum):
    """What a silence is about."""

    DEVICE = "device"
    GROUP = "group"
    TYPE = "type"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Silence:
    """A maintenance window; `number` is None until it is stored. Without `ends_at` it recurs until it is removed."""

    target: Target
    name: str
    reason: str
    starts_at: datetime
    ends_at: datetime | None = None
    cron: str | None = None
    duration: timedelta | None = None
    number: int | None = None
    #: Who added it, where that is known.
    by: str | None = None

    def holds(self, now: datetime, zone: ZoneInfo) -> bool:
        """Whether it is in force; its end is no part of it."""
        if now < self.starts_at or (self.ends_at and now >= self.ends_at):
            return False
        return self.cron is None or self.duration is None or fired_within(self.cron, self.duration, now, zone)


def fired_within(cron: str, duration: timedelta, now: datetime, zone: ZoneInfo) -> bool:
    """Whether the pattern fired in the `duration` up to `now`, now included."""
    from cronsim import CronSim

    first = next(CronSim(cron, (now - duration).astimezone(zone)), None)
    return first is not None and first.astimezone(UTC) <= now


@dataclass(frozen=True)
class Silenced:
    """Everything that is silenced at one instant; names are compared as they are, letter by letter."""

    names: frozenset[tuple[Target, str]]

    @classmethod
    def at(cls, silences: Iterable[Silence], now: datetime, zone: ZoneInfo) -> Silenced:
        return cls(frozenset((s.target, s.name) for s in silences if s.holds(now, zone)))

    def covers(self, member: Member) -> bool:
        if not self.names:
            return False
        its = {
            (Target.DEVICE, member.name),
            (Target.GROUP, member.group),
            (Target.TYPE, member.type or ""),
            (Target.SUBJECT, member.subject),
        }
        return bool(its & self.names)
