"""Whether there is news of an incident, and why; pure.

What was told is compared with what is: a trouble that was told gets its end told, and nothing is told twice. A
member under a silence is passed over, so whatever is still true at the silence's end is news then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from servicemanager.alerts.incident import Incident, Member, Policy, Told


class Reason(StrEnum):
    """Why there is a message, or none."""

    OPENED = "opened"
    WORSENED = "worsened"
    RECOVERED = "recovered"
    REMINDER_DUE = "reminder due"
    SILENCED = "silenced"
    NOTHING_NEW = "nothing new"


class Change(StrEnum):
    """What is to be told of one member."""

    DOWN = "down"
    UP = "up"
    FLAPPING = "flapping"
    CALM = "calm"


SPOKEN = frozenset({Reason.OPENED, Reason.WORSENED, Reason.RECOVERED, Reason.REMINDER_DUE})
_AFTER = {Change.DOWN: Told.DOWN, Change.UP: Told.NOTHING, Change.FLAPPING: Told.FLAPPING, Change.CALM: Told.NOTHING}


@dataclass(frozen=True, slots=True)
class Decision:
    """What to tell of one incident; `changes` are by member key."""

    incident: Incident
    reason: Reason
    changes: Mapping[str, Change]

    def told(self, now: datetime) -> Incident:
        """The incident once this is told."""
        if self.reason not in SPOKEN:
            return self.incident
        members = {
            key: replace(member, told=_AFTER[self.changes[key]]) if key in self.changes else member
            for key, member in self.incident.members.items()
        }
        return replace(self.incident, members=members, told_at=now)


def decide(incident: Incident, is_silenced: Callable[[Member], bool], now: datetime, policy: Policy) -> Decision:
    found = {key: change for key, m in incident.members.items() if (change := change_of(m, now, policy))}
    spoken = {key: change for key, change in found.items() if not is_silenced(incident.members[key])}
    return Decision(incident, _reason(incident, found, spoken, is_silenced, now, policy), spoken)


def _reason(  # noqa: PLR0913, PLR0917 -- all of them are what the reason depends on
    incident: Incident,
    found: Mapping[str, Change],
    spoken: Mapping[str, Change],
    is_silenced: Callable[[Member], bool],
    now: datetime,
    policy: Policy,
) -> Reason:
    if any(change in {Change.DOWN, Change.FLAPPING} for change in spoken.values()):
        return Reason.OPENED if incident.told_at is None else Reason.WORSENED
    if spoken:
        return Reason.RECOVERED
    if found:
        return Reason.SILENCED
    lasting = (m for m in incident.members.values() if m.told is Told.DOWN and not is_silenced(m))
    if incident.told_at and now - incident.told_at >= policy.repeat and any(lasting):
        return Reason.REMINDER_DUE
    return Reason.NOTHING_NEW


def change_of(member: Member, now: datetime, policy: Policy) -> Change | None:
    """What people do not know of a member yet."""
    if member.flaps(now, policy):
        return None if member.told is Told.FLAPPING else Change.FLAPPING
    if not member.ended:
        return None if member.told is Told.DOWN else Change.DOWN
    return {Told.DOWN: Change.UP, Told.FLAPPING: Change.CALM, Told.NOTHING: None}[member.told]
