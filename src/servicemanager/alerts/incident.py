"""Incidents: what is wrong with one subject, kept as a value; pure.

An incident belongs to a subject ("shop 1207") and has members (its boards). Members come and go while the incident
stays. A member remembers what people were told of it, so what is news follows from the value alone. Every instant
is the database's; nothing here looks at a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

DAY = timedelta(days=1)


class Told(StrEnum):
    """What people were last told of a member."""

    NOTHING = "nothing"
    DOWN = "down"
    FLAPPING = "flapping"


class Ending(StrEnum):
    """Why a member is no longer wrong."""

    BACK = "back"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Member:
    """One thing that is, or was, wrong within a subject."""

    key: str
    name: str
    subject: str
    group: str
    since_at: datetime
    #: When it went wrong in the last day, this time included.
    opened: tuple[datetime, ...]
    #: What is wrong, as a word: "silent", "never seen", "foreign".
    trouble: str
    type: str | None = None
    version: str | None = None
    told: Told = Told.NOTHING
    #: The first sign of life since it went wrong.
    better_at: datetime | None = None
    ended: Ending | None = None

    def flaps(self, now: datetime, policy: Policy) -> bool:
        """Whether it went wrong more often within a day than anybody wants to hear."""
        return sum(at > now - DAY for at in self.opened) > policy.flapping


@dataclass(frozen=True, slots=True)
class Wrong:
    """A member was found wrong."""

    name: str
    subject: str
    group: str
    since_at: datetime
    trouble: str
    type: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Right:
    """A member was found right, last heard at `contact_at`; it is back once it was so for `settle`."""

    contact_at: datetime
    settle: timedelta
    subject: str
    group: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A member exists no more."""


Observation = Wrong | Right | Gone


@dataclass(frozen=True, slots=True)
class Policy:
    """When a member flaps (more than `flapping` times a day), and how often a trouble that lasts is repeated."""

    flapping: int = 3
    repeat: timedelta = DAY


@dataclass(frozen=True, slots=True)
class Scope:
    """The subjects that one caller answers for: those named, and those that begin with a prefix, such as 'disk:'."""

    subjects: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def covers(self, subject: str) -> bool:
        return subject in self.subjects or subject.startswith(self.prefixes)


@dataclass(frozen=True, slots=True)
class Incident:
    """What is wrong with one subject; `number` is None until it is stored."""

    subject: str
    opened_at: datetime
    members: Mapping[str, Member] = field(default_factory=dict)
    number: int | None = None
    version: int = 0
    told_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Nothing is wrong, and nobody waits to hear so."""
        return all(m.ended and m.told is Told.NOTHING for m in self.members.values())

    def closed_if_over(self, now: datetime) -> Incident:
        return replace(self, closed_at=now) if self.is_over else self


def advance(before: Sequence[Incident], observed: Mapping[str, Observation], now: datetime) -> list[Incident]:
    """The open incidents after what was observed, new ones among them; a member without observation stays as it is.

    `before` holds the open ones and those that were closed within the last day, whose members only tell how often
    they had been wrong.
    """
    past = {key: m.opened for i in before if i.closed_at for key, m in i.members.items()}
    members = {key: m for i in before if not i.closed_at for key, m in i.members.items()}
    after = {key: _advanced(m, observed.get(key), now) for key, m in members.items()}
    for key, seen in observed.items():
        if key not in members and isinstance(seen, Wrong):
            after[key] = _opened(key, seen, past.get(key, ()), Told.NOTHING, now)
    return _by_subject([i for i in before if not i.closed_at], after.values(), now)


def _advanced(member: Member, seen: Observation | None, now: datetime) -> Member:
    match seen:
        case Wrong() if member.ended:
            return _opened(member.key, seen, member.opened, member.told, now)
        case Wrong():
            return _still(member, seen)
        case Right() if not member.ended:
            better_at = member.better_at or seen.contact_at
            back = seen.contact_at - better_at >= seen.settle
            ended = Ending.BACK if back else None
            return replace(member, subject=seen.subject, group=seen.group, better_at=better_at, ended=ended)
        case Gone() if not member.ended:
            return replace(member, better_at=now, ended=Ending.GONE)
    return member


def _still(member: Member, seen: Wrong) -> Member:
    known = (member.subject, member.group, member.trouble, member.type, member.version, member.better_at)
    if known == (seen.subject, seen.group, seen.trouble, seen.type, seen.version, None):
        return member  # the very same, which is compared at no cost
    return replace(
        member,
        subject=seen.subject,
        group=seen.group,
        trouble=seen.trouble,
        type=seen.type,
        version=seen.version,
        better_at=None,
    )


def _opened(key: str, seen: Wrong, past: Iterable[datetime], told: Told, now: datetime) -> Member:
    opened = (*(at for at in past if at > now - DAY), now)
    return Member(
        key, seen.name, seen.subject, seen.group, seen.since_at, opened, seen.trouble, seen.type, seen.version, told
    )


def _by_subject(before: Sequence[Incident], members: Iterable[Member], now: datetime) -> list[Incident]:
    grouped: dict[str, dict[str, Member]] = {incident.subject: {} for incident in before}
    for member in members:
        grouped.setdefault(member.subject, {})[member.key] = member
    known = {incident.subject: incident for incident in before}
    return [
        _changed(known[subject], its) if subject in known else _new(subject, its, now)
        for subject, its in grouped.items()
    ]


def _changed(incident: Incident, members: Mapping[str, Member]) -> Incident:
    return incident if members == incident.members else replace(incident, members=members)


def _new(subject: str, members: Mapping[str, Member], now: datetime) -> Incident:
    """One whose members came from another, told of already, counts as told when it is made."""
    told = any(member.told is not Told.NOTHING for member in members.values())
    return Incident(subject, now, members, told_at=now if told else None)
