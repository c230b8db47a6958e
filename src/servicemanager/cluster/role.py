"""Who works: the roles, and when an instance may take the lead; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Role(StrEnum):
    """What an instance answers when it is asked. Only a master runs jobs."""

    MASTER = "MASTER"
    SLAVE = "SLAVE"


@dataclass(frozen=True)
class Timing:
    """`lease` > `step_down_after` > `look_every`, which the settings see to."""

    lease: timedelta
    #: Since the last renewal that succeeded.
    step_down_after: timedelta
    #: Pause between two looks of a slave, and after a renewal that failed.
    look_every: timedelta

    @property
    def renew_every(self) -> timedelta:
        """A master tries several times before it has to step down."""
        return self.step_down_after / 4


@dataclass(frozen=True)
class Leader:
    """What the database says of the lease `master`."""

    holder: str | None
    term: int
    expires_at: datetime
    #: What the one who holds it, or held it until he fell silent, works by.
    works_by: WorksBy | None
    #: When the lease was taken in this term, where that was read from the database.
    taken_at: datetime | None = None


@dataclass(frozen=True)
class WorksBy:
    """What two instances have to agree on, lest the one deletes what the other would keep; and whose it is."""

    #: A name that stays the same over restarts: host and port.
    instance: str
    #: Keys and values, as a person writes them.
    settings: tuple[tuple[str, str], ...]

    def differences(self, other: WorksBy) -> list[str]:
        """In words, one for each setting."""
        theirs = dict(other.settings)
        return [
            f"{key} is {value} here and {theirs.get(key, 'unknown')} there"
            for key, value in self.settings
            if theirs.get(key) != value
        ]


def free_at(leader: Leader | None, now: datetime) -> bool:
    """Whether nobody holds the lease at `now`, by the database's clock."""
    return leader is None or leader.holder is None or leader.expires_at <= now


def against_taking(leader: Leader | None, own: WorksBy, node_master: str | None) -> str | None:
    """Why this instance does not take a lease that is free, in a sentence; None where it may.

    An orderly stop leaves no `works_by` behind, and an instance never minds what itself worked by: so settings can be
    changed by restarting the instances one after the other. `node_master` is a mirror that runs the Node version and
    says MASTER.
    """
    if node_master:
        return f"The mirror {node_master} runs the Node version and says MASTER."
    before = leader.works_by if leader else None
    if before is None or before.instance == own.instance:
        return None
    differences = own.differences(before)
    if not differences:
        return None
    return (
        f"The settings differ from those of {before.instance}, the last master: {'; '.join(differences)}. Make them "
        "equal, or start this instance with --take-over if that one will not come back."
    )
