"""What a service manager that starts us wants to hear: sd_notify(3), without its library."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

#: Seconds that a message may wait for a listener whose queue is full.
_PATIENCE = 0.5


class Notifier:
    """Says nothing where nobody listens."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        # Half the time that may pass between two signs of life, as sd_watchdog_enabled(3) advises.
        self._every = int(microseconds) / 2_000_000 if microseconds.isdigit() else None
        self._said_at = 0.0

    def say(self, text: str) -> None:
        """`text` is a line such as READY=1."""
        if not self._address:
            return
        # A name that begins with @ is one of Linux's abstract ones.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            # A listener that is busy makes a message late or lost, but must not stop the service.
            to.settimeout(_PATIENCE)
            to.sendto(text.encode(), address)

    def alive(self) -> None:
        """A sign of life, when one is due."""
        if self._every is not None and time.monotonic() - self._said_at >= self._every:
            self._said_at = time.monotonic()
            self.say("WATCHDOG=1")
