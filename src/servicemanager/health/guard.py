"""The own-outage guard: is it the devices that are silent, or everything? Pure.

When no device at all is heard, the gateway, the network, the database or its clock is to blame. That is one trouble,
told once, and no device's silence grows meanwhile. What the guard knows is a value that every check stores for the
next one, whichever instance makes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from servicemanager.health.assess import Gap, Horizon

#: With fewer boards, the silence of all of them says nothing about the gateway.
FLEET = 3
#: Silence of the whole fleet that is worth asking about.
ODD = timedelta(minutes=1)


class Contact(StrEnum):
    """Whether the platform is heard at all."""

    NORMAL = "normal"
    QUIET = "quiet for a while"
    LOST = "lost"
    SETTLING = "back, and devices are given time to return"


@dataclass(frozen=True, slots=True)
class Watch:
    """What one check hands on to the next."""

    checked_at: datetime
    interval: timedelta = timedelta(0)
    quiet_since: datetime | None = None
    settle_until: datetime | None = None
    gaps: tuple[Gap, ...] = ()

    def to_json(self) -> str:
        value = {
            "checked_at": self.checked_at.isoformat(),
            "interval": self.interval.total_seconds(),
            "quiet_since": self.quiet_since and self.quiet_since.isoformat(),
            "settle_until": self.settle_until and self.settle_until.isoformat(),
            "gaps": [(gap.start_at.isoformat(), gap.end_at.isoformat()) for gap in self.gaps],
        }
        return json.dumps(value)

    @classmethod
    def from_json(cls, text: str) -> Watch:
        value = json.loads(text)
        at = datetime.fromisoformat
        return cls(
            checked_at=at(value["checked_at"]),
            interval=timedelta(seconds=value["interval"]),
            quiet_since=at(value["quiet_since"]) if value["quiet_since"] else None,
            settle_until=at(value["settle_until"]) if value["settle_until"] else None,
            gaps=tuple(Gap(at(start), at(end)) for start, end in value["gaps"]),
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """What the database tells about the whole fleet at `now`.

    `latest_at` is the latest contact; `first_at` the earliest one after the quiet that the last check saw; `fleet` the
    number of boards that were alive when the latest contact was made.
    """

    now: datetime
    latest_at: datetime | None
    first_at: datetime | None = None
    fleet: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """The guard's verdict."""

    watch: Watch
    contact: Contact
    horizon: Horizon

    @property
    def admits_alarms(self) -> bool:
        """Whether a device's silence may open a new trouble."""
        return self.contact in {Contact.NORMAL, Contact.QUIET}


def look(before: Watch | None, heard: Heard, limit: timedelta, grace: timedelta, keep: timedelta) -> View:
    """Judge the platform. It is lost after `limit` of quiet, and settled after `grace`; gaps are kept for `keep`.

    Quiet counts as a gap from half the limit on: boards that announce themselves more rarely than all at once every few
    minutes leave shorter ones all the time, and whoever missed no more than that has as long to be heard again.
    """
    now, latest_at = heard.now, heard.latest_at
    watch = before or Watch(now)
    gaps, quiet_since = _gaps(watch, heard, keep), None
    is_fleet = heard.fleet >= FLEET and latest_at is not None
    if is_fleet and latest_at and now - latest_at >= limit / 2:
        quiet_since = latest_at
    settle_until = _settle_until(watch, now, limit, grace, gaps)
    after = Watch(now, max(timedelta(0), now - watch.checked_at), quiet_since, settle_until, gaps)
    contact = Contact.NORMAL
    if quiet_since:
        contact = Contact.LOST if now - quiet_since > limit else Contact.QUIET
    elif settle_until:
        contact = Contact.SETTLING
    return View(after, contact, Horizon(latest_at if is_fleet and latest_at else now, gaps))


def _gaps(watch: Watch, heard: Heard, keep: timedelta) -> tuple[Gap, ...]:
    gaps = tuple(gap for gap in watch.gaps if gap.end_at > heard.now - keep)
    if watch.quiet_since and heard.latest_at and heard.latest_at > watch.quiet_since:
        return (*gaps, Gap(watch.quiet_since, heard.first_at or heard.latest_at))
    return gaps


def _settle_until(
    watch: Watch, now: datetime, limit: timedelta, grace: timedelta, gaps: Sequence[Gap]
) -> datetime | None:
    """Until when devices are given time: after contact came back, and after we did not look for long ourselves.

    While we did not look, the gateway may have been down with us. A check that is always that far from the last one
    is no such case.
    """
    ends = [watch.settle_until] if watch.settle_until else []
    if gaps and gaps != watch.gaps:
        ends.append(gaps[-1].end_at + grace)
    if now - watch.checked_at > max(limit / 2, 3 * watch.interval):
        ends.append(now + grace)
    return max((end for end in ends if end > now), default=None)
