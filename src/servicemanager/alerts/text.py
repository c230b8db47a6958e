"""Text for people: names are data, so nothing in them can break a line, a header or a message's size; pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

#: SNS: a subject has up to 100 ASCII characters, a message up to 256 KiB; what is left is for the envelope.
SUBJECT_LENGTH = 100
MESSAGE_BYTES = 250_000


def plain(text: str) -> str:
    """On one line, with anything that can't be printed as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def ascii_subject(text: str, tail: str = "") -> str:
    """What SNS and mail take as a subject: printable ASCII, 100 characters, not empty; `tail` is never cut off."""
    shown = plain(text).encode("ascii", "replace").decode()
    room = SUBJECT_LENGTH - len(tail)
    return (shown if len(shown) <= room else shown[: room - 3] + "...") + tail


def counted(number: int) -> str:
    """1 234 567."""
    return f"{number:,}".replace(",", " ")


def many(number: int, one: str, more: str | None = None) -> str:
    return f"{counted(number)} {one if number == 1 else more or one + 's'}"


def lasting(span: timedelta) -> str:
    """'7 min', '3 h 05 min', '2 d 3 h'."""
    minutes = max(0, int(span.total_seconds())) // 60
    if minutes < 60:  # noqa: PLR2004 -- minutes of an hour
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:  # noqa: PLR2004 -- hours of a day
        return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def clock(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """'14:02', with the date where it is another day's."""
    local = at.astimezone(zone)
    return f"{local:%H:%M}" if local.date() == now.astimezone(zone).date() else f"{local:%Y-%m-%d %H:%M}"


def bounded(lines: Iterable[str], total: int, tail: str = "") -> str:
    """The first lines that fit into a message, and how many of `total` are left out; `tail` always fits."""
    kept: list[str] = []
    room = MESSAGE_BYTES - len(tail.encode()) - 80
    for number, line in enumerate(lines):
        room -= len(line.encode("utf-8", "backslashreplace")) + 1
        if room < 0:
            return "\n".join([*kept, f"... and {counted(total - number)} more, see the dashboard", tail])
        kept.append(line)
    return "\n".join([*kept, tail] if tail else kept)
