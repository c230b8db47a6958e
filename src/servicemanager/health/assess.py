"""How a device is, by when it was last heard of; pure.

Silence is measured over the time in which some device was heard: what lies within an outage of the gateway, the
network or the database counts for nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from servicemanager.iotdb.devices import Device


class Status(StrEnum):
    """How a device is."""

    NORMAL = "normal"
    SILENT = "silent"
    NEVER_SEEN = "never seen"
    WAITING = "waiting for approval"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Limits:
    """After how much silence a device is reported: its group's limit, or else its type's, or else the general one."""

    general: timedelta
    groups: Mapping[str, timedelta] = field(default_factory=dict)
    types: Mapping[str, timedelta] = field(default_factory=dict)

    def of(self, device: Device) -> timedelta:
        by_type = self.types.get(device.type or "", self.general)
        return self.groups.get(device.group or "", by_type)

    @property
    def shortest(self) -> timedelta:
        return min((self.general, *self.groups.values(), *self.types.values()))

    @property
    def longest(self) -> timedelta:
        return max((self.general, *self.groups.values(), *self.types.values()))


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which nothing was heard of any device."""

    start_at: datetime
    end_at: datetime

    def overlap(self, start: datetime, end: datetime) -> timedelta:
        return max(timedelta(0), min(self.end_at, end) - max(self.start_at, start))


@dataclass(frozen=True, slots=True)
class Horizon:
    """Up to when silence is measured, and what does not count."""

    at: datetime
    gaps: Sequence[Gap] = ()

    def silence_since(self, start: datetime) -> timedelta:
        """Zero where `start` lies in the future."""
        span = self.at - start - sum((gap.overlap(start, self.at) for gap in self.gaps), timedelta(0))
        return max(timedelta(0), span)


@dataclass(frozen=True, slots=True)
class Assessment:
    """A device's status with the numbers that it follows from; `since_at` is the last contact, or the approval."""

    device: Device
    status: Status
    since_at: datetime | None
    silence: timedelta
    limit: timedelta

    @property
    def is_alarming(self) -> bool:
        return self.status in {Status.SILENT, Status.NEVER_SEEN}


def assess(device: Device, horizon: Horizon, limits: Limits) -> Assessment:
    since_at = device.seen_at or device.registered_at
    silence = horizon.silence_since(since_at) if since_at else timedelta(0)
    limit = limits.of(device)
    return Assessment(device, _status(device, silence > limit), since_at, silence, limit)


def _status(device: Device, too_long: bool) -> Status:
    if device.is_foreign:
        return Status.FOREIGN
    if device.group is None:
        return Status.WAITING
    if not too_long:
        return Status.NORMAL
    return Status.NEVER_SEEN if device.seen_at is None else Status.SILENT
