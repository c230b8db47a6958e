"""Hours of the day, in a zone: when something may be done."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from servicemanager.config.values import Right

_HOURS = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9]) ?- ?([01]?[0-9]|2[0-4]):([0-5][0-9])")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Hours:
    """From `opens` until `closes`, which is no part of them; past midnight where `closes` is the earlier one."""

    opens: time
    closes: time

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"

    def __contains__(self, at: time) -> bool:
        """Whether that time of day lies in them."""
        if self.opens < self.closes:
            return self.opens <= at < self.closes
        return at >= self.opens or at < self.closes

    def closing_after(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When the hours end that `now` lies in; None where it lies in none. All instants are aware; UTC is returned.

        A wall time that a change of clocks skips is taken as it would have been, one that comes twice is its first.
        """
        for opens_at, closes_at in self._around(now, zone):
            if opens_at <= now < closes_at:
                return closes_at
        return None

    def opening_after(self, now: datetime, zone: ZoneInfo) -> datetime:
        """When they begin next, after `now`."""
        return min(opens_at for opens_at, _ in self._around(now, zone) if opens_at > now)

    def _around(self, now: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
        today = now.astimezone(zone).date()
        found = []
        for day in (today - _DAY, today, today + _DAY, today + 2 * _DAY):
            ends = day if self.closes > self.opens else day + _DAY
            opens_at, closes_at = (
                datetime.combine(date, at, zone).astimezone(UTC)
                for date, at in ((day, self.opens), (ends, self.closes))
            )
            found.append((opens_at, closes_at))
        return found


def parse_hours(text: str) -> Hours:
    """`02:00-05:00`; raises ValueError in words."""
    match = _HOURS.fullmatch(text.strip())
    if match is None or (match[3] == "24" and match[4] != "00"):
        raise ValueError("it is no pair of times of day")
    opens, closes = time(int(match[1]), int(match[2])), time(int(match[3]) % 24, int(match[4]))
    if opens == closes:
        raise ValueError("it begins when it ends")
    return Hours(opens, closes)


def _check(text: str) -> str:
    return str(parse_hours(text))


HoursOfDay = Annotated[str, Right("two times of day, such as 02:00-05:00 or 22:00-04:30"), AfterValidator(_check)]
