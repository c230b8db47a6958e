"""Who asks, and what they may."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rights(StrEnum):
    """What an account may do; the names are those of the platform's accounts."""

    ADMIN = "admin"  # reads everything, and acts
    USER = "user"  # reads everything
    GUEST = "guest"  # reads everything but the configuration


@dataclass(frozen=True)
class Viewer:
    """Somebody who was let in; `name` goes into records and logs, such as 'maria@example.com'."""

    name: str
    rights: Rights

    @property
    def may_act(self) -> bool:
        return self.rights is Rights.ADMIN

    @property
    def may_see_configuration(self) -> bool:
        return self.rights is not Rights.GUEST
