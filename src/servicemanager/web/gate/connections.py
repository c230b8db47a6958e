"""How many connections there may be, and how slow: a protocol that keeps its clients to time.

A client has a few seconds to send a request whole, and must go on reading what it is answered. Who does not is cut off;
and when there are too many, whoever has kept us waiting longest makes room for the next, so that those who come and go
quickly, as the mirror does, always get in.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

_TELL_EVERY = 60.0

_log = structlog.get_logger()


@dataclass(frozen=True)
class Limits:
    """What a client may take of us."""

    connections: int = 512
    #: Those that have not said yet whether they speak TLS, or are still about to.
    handshakes: int = 256
    #: For a request, from the beginning of the connection or the last answer to its end.
    request_seconds: float = 10.0
    #: For reading at least something of an answer.
    read_seconds: float = 15.0
    look_every_seconds: float = 1.0


LIMITS = Limits()


class Connections:
    """All that are open, in one event loop."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: set[BoundedProtocol] = set()
        self._turned_away = 0
        self._told_at = -_TELL_EVERY

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: BoundedProtocol) -> None:
        """Whoever keeps us waiting longest goes where there are too many; where nobody does, the new one goes."""
        self._open.add(connection)
        if len(self._open) > self.limits.connections:
            waiting = [one for one in self._open if one.waits_since is not None]
            self._cut_off(min(waiting, key=lambda one: one.waits_since or 0.0, default=connection), "too many")

    def discard(self, connection: BoundedProtocol) -> None:
        self._open.discard(connection)

    async def watch(self) -> None:
        """Cut off who is too slow, until cancelled."""
        while True:
            await asyncio.sleep(self.limits.look_every_seconds)
            now = time.monotonic()
            for connection in list(self._open):
                if connection.is_too_slow(now):
                    self._cut_off(connection, "too slow")

    def _cut_off(self, connection: BoundedProtocol, reason: str) -> None:
        self._open.discard(connection)
        connection.cut_off()
        self._turned_away += 1
        now = time.monotonic()
        # A flood must not fill the log.
        if now - self._told_at > _TELL_EVERY:
            _log.warning("connections cut off", reason=reason, since_last_told=self._turned_away)
            self._told_at, self._turned_away = now, 0


class BoundedProtocol(H11Protocol):
    """HTTP as uvicorn speaks it, with a watch in hand."""

    #: Set by the server before the first connection.
    door: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        #: Since when the client owes us (the rest of) a request; None while it does not.
        self.waits_since: float | None = time.monotonic()
        self._unread, self._read_at = 0, 0.0
        self.door.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.door.discard(self)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before or (self.cycle and not self.cycle.response_complete):
            whole = self.cycle is not None and not self.cycle.more_body
            self.waits_since = None if whole else self.waits_since or time.monotonic()

    def on_response_complete(self) -> None:
        self.waits_since = time.monotonic()
        super().on_response_complete()

    def is_too_slow(self, now: float) -> bool:
        limits = self.door.limits
        before, self._unread = self._unread, self.transport.get_write_buffer_size()
        if not self._unread:
            return self.waits_since is not None and now - self.waits_since > limits.request_seconds
        if self.waits_since is not None:
            self.waits_since = now  # it still has to read what it asked for before
        if not before or self._unread < before:
            self._read_at = now
        return now - self._read_at > limits.read_seconds

    def cut_off(self) -> None:
        self.transport.abort()


def protocol_for(door: Connections) -> type[BoundedProtocol]:
    """The class that uvicorn makes one of for each connection."""
    return type("BoundedProtocol", (BoundedProtocol,), {"door": door})
