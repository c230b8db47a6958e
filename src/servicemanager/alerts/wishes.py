"""What a person wishes to be silent about, checked in one place for commands, API and pages; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from servicemanager.alerts.silence import Silence, Target
from servicemanager.config.values import parse_cron
from servicemanager.errors import ConfigurationError

_LONGEST_NAME, _LONGEST_SUBJECT = 20, 190
_LONGEST_REASON = 255
#: Far enough for a shop that is closed down, and within what every clock can count.
_FURTHEST = timedelta(days=3_660)


@dataclass(frozen=True)
class SilenceWish:
    """Of `duration` and `ends_at` one says how long; with `cron`, `duration` is how long each recurrence lasts."""

    target: Target
    name: str
    reason: str
    duration: timedelta | None = None
    ends_at: datetime | None = None
    cron: str | None = None


def to_silence(wish: SilenceWish, now: datetime, by: str | None) -> Silence:
    """The silence that begins now. Raises ConfigurationError with every wish that does not fit."""
    mistakes = list(_mistakes(wish, now))
    if mistakes:
        raise ConfigurationError(*mistakes)
    ends_at = wish.ends_at
    if wish.cron is None and wish.duration is not None:
        ends_at = now + wish.duration
    lasting = wish.duration if wish.cron is not None else None
    return Silence(wish.target, wish.name, wish.reason, now, ends_at, wish.cron, lasting, by=by)


def _mistakes(wish: SilenceWish, now: datetime) -> Iterator[str]:
    longest = _LONGEST_SUBJECT if wish.target is Target.SUBJECT else _LONGEST_NAME
    if not 0 < len(wish.name) <= longest:
        yield f"Name what shall be silent, a {wish.target}, with up to {longest} characters."
    if not wish.reason.strip() or len(wish.reason) > _LONGEST_REASON:
        yield f"Say why, for whoever reads the list, with up to {_LONGEST_REASON} characters."
    if wish.ends_at is not None and not now < wish.ends_at <= now + _FURTHEST:
        yield "The end has to lie in the future, and within ten years."
    if wish.duration is not None and not timedelta(0) < wish.duration <= _FURTHEST:
        yield "A silence lasts longer than no time, and less than ten years."
    if wish.cron is not None:
        yield from _recurrence(wish.cron, wish.duration)
    elif (wish.duration is None) == (wish.ends_at is None):
        yield "Say for how long, or until when: one of the two."


def _recurrence(cron: str, duration: timedelta | None) -> Iterator[str]:
    if duration is None:
        yield "A silence that recurs needs to know for how long: how long each recurrence lasts."
    if len(cron) > _LONGEST_SUBJECT:
        yield f"A cron pattern has up to {_LONGEST_SUBJECT} characters."
        return
    try:
        parse_cron(cron)
    except ValueError as error:
        yield f'The recurrence should be a cron pattern of five fields, such as "0 22 * * *": {error}.'
