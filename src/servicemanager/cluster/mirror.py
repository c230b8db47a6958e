"""The other instance, asked by HTTP: what the console and the dashboard show, and what a Node version claims.

No answer never makes a master: the lease in the database does.
"""

from __future__ import annotations

import http.client
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from servicemanager.cluster.role import Role

#: How an instance of this program introduces itself, which the Node version does not.
SERVER = "servicemanager"
_SECONDS = 2.0
_LONGEST = 64


def patience(lease: timedelta) -> float:
    """Seconds that a mirror gets: it is asked before a lease that has expired is taken, and must not hold that up."""
    return min(_SECONDS, lease.total_seconds() / 6)


@dataclass(frozen=True)
class Answer:
    """`role` is None where there was no answer, or one that is no role; then `words` say what is wrong."""

    role: Role | None
    #: Whether it is this program that answered: then the lease decides, whatever it says.
    is_ours: bool
    words: str


@dataclass(frozen=True)
class Mirror:
    """Every call ends within a few seconds, however slowly the other side speaks."""

    host: str
    port: int
    seconds: float = _SECONDS

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def ask(self) -> Answer:
        """What it says of itself."""
        answers: list[Answer] = []
        # Timeouts of a socket are for each piece that arrives: a thread is what bounds them all together.
        thread = threading.Thread(target=lambda: answers.append(self._ask()), name="ask mirror", daemon=True)
        thread.start()
        thread.join(self.seconds * 1.5)
        return answers[0] if answers else Answer(None, False, "does not answer in time")

    def nudge(self) -> None:
        """Let it look at once whether the lease is free. Who does not hear it looks soon enough."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=0.5)
        with suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/look", headers={"Content-Length": "0"})
            connection.getresponse()
        connection.close()

    def _ask(self) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.seconds)
        try:
            connection.request("GET", "/", headers={"Accept": "text/plain", "User-Agent": SERVER})
            response = connection.getresponse()
            text = response.read(_LONGEST).decode("latin-1").strip()
        except (OSError, http.client.HTTPException) as error:
            return Answer(None, False, f"does not answer ({error or type(error).__name__})")
        finally:
            connection.close()
        ours = response.getheader("Server", "").startswith(SERVER)
        if text in set(Role):
            return Answer(Role(text), ours, text)
        return Answer(None, ours, f"answers neither MASTER nor SLAVE, but HTTP {response.status}")
