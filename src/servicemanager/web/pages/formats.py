"""Numbers, sizes, spans and instants as people read them; pure.

The script of the pages (static/app.js) says instants in the same words, in the viewer's own zone.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from urllib.parse import quote

#: Between groups of digits, and between a number and its unit.
SPACE = "\N{NARROW NO-BREAK SPACE}"
#: Where nobody knows.
DASH = "\N{EN DASH}"
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_THOUSAND = 1_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def count(number: int | None) -> str:
    """1 234 567; a dash where nobody knows."""
    return DASH if number is None else f"{number:,}".replace(",", SPACE)


def many(number: int, one: str, more: str | None = None) -> str:
    """'1 device', '1 500 devices'."""
    return f"{count(number)} {one if number == 1 else more or one + 's'}"


def short(number: int | None) -> str:
    """Three digits that matter: 71.2 M."""
    return DASH if number is None else _scaled(number, ("", "k", "M", "G", "T"))


def size(number: int | None) -> str:
    """Bytes, by powers of a thousand as disks and buckets are sold: 727 MB."""
    return DASH if number is None else _scaled(number, ("B", "kB", "MB", "GB", "TB", "PB"))


def _scaled(number: int, units: tuple[str, ...]) -> str:
    value, power = float(number), 0
    # 999.5 would be rounded to 1000.
    while abs(value) >= _THOUSAND - 0.5 and power < len(units) - 1:
        value, power = value / _THOUSAND, power + 1
    digits = 0 if power == 0 or abs(value) >= 99.95 else 1  # noqa: PLR2004 -- three digits
    return f"{value:.{digits}f}" + (SPACE + units[power] if units[power] else "")


def lasting(seconds: float | None) -> str:
    """'0.4 s', '41 s', '1 min 35 s', '2 h 05 min', '3 d 4 h'."""
    if seconds is None:
        return DASH
    if seconds < 10:  # noqa: PLR2004 -- two digits that matter
        return f"{max(seconds, 0):.1f}{SPACE}s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}{SPACE}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}{SPACE}min {whole % _MINUTE:02d}{SPACE}s"
    if whole < _DAY:
        return f"{whole // _HOUR}{SPACE}h {whole % _HOUR // _MINUTE:02d}{SPACE}min"
    return f"{whole // _DAY}{SPACE}d {whole % _DAY // _HOUR}{SPACE}h"


def roughly(seconds: float) -> str:
    """A span in one unit: '41 s', '12 min', '5 h', '3 d'."""
    whole = int(abs(seconds))
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if whole >= length:
            return f"{whole // length}{SPACE}{unit}"
    return f"{whole}{SPACE}s"


def ago(at: datetime, now: datetime) -> str:
    """'just now', '4 min ago', 'in 12 min', '3 d ago'."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < _MINUTE:
        return "just now" if seconds >= 0 else "in a moment"
    return f"{roughly(seconds)} ago" if seconds > 0 else f"in {roughly(seconds)}"


def wall(at: datetime, zone: tzinfo, now: datetime) -> str:
    """'08:42' of today, '23 Nov 08:42', '23 Nov 2025 08:42': by the clock on the wall of a zone."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local.day} {_MONTHS[local.month - 1]}{year} {local:%H:%M}"


def exact(at: datetime) -> str:
    """'2026-11-24 11:42:07 UTC'."""
    offset = at.utcoffset() or timedelta(0)
    return f"{at.replace(tzinfo=None) - offset:%Y-%m-%d %H:%M:%S} UTC"


def stamp(at: datetime) -> str:
    """For `<time datetime>`: '2026-11-24T11:42:07Z'."""
    return exact(at)[:-4].replace(" ", "T") + "Z"


def day(value: date) -> str:
    """'Tue 24 Nov 2026'."""
    return f"{_WEEKDAYS[value.weekday()]} {value.day} {_MONTHS[value.month - 1]} {value.year}"


def percent(part: float, whole: float | None) -> int | None:
    """0 to 100, rounded down, so that 100 means all; None of nothing."""
    return None if not whole else max(0, min(100, int(100 * part / whole)))


def segment(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")
