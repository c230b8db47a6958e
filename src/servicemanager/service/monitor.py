"""The watch on the mirror: at each firing of `scheduler.monitor` both roles go to the console."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

import structlog

from servicemanager.cluster.mirror import Answer, Mirror
from servicemanager.cluster.role import Role
from servicemanager.scheduler.cron import Schedule

_FIRST = 2.0

_log = structlog.get_logger()


class Monitor:
    """What the mirror said last. It decides nothing: the lease does."""

    def __init__(self, mirror: Mirror | None, role: Callable[[], Role], now: Callable[[], datetime]) -> None:
        self._mirror, self._role, self._now = mirror, role, now
        self.answer: Answer | None = None

    def run(self, schedule: Callable[[], Schedule], stop: threading.Event) -> None:
        """Until `stop` is set. The pattern is asked for at each tick, for it may change."""
        # The first time when the role has had a moment to settle.
        if not stop.wait(_FIRST):
            self.tick()
        last = self._now()
        while not stop.wait(1.0):
            now = self._now()
            firing = schedule().last_until(now) if now.replace(second=0) > last else None
            if firing and firing > last:
                last = now
                self.tick()

    def tick(self) -> None:
        """Ask once, and say both roles."""
        if self._mirror is None:
            _log.info("monitor", own=self._role().value, mirror="none is configured")
            return
        self.answer = self._mirror.ask()
        _log.info("monitor", own=self._role().value, mirror=self.answer.words, at=self._mirror.address)
        if self._role() is Role.MASTER and self.answer.role is Role.MASTER and not self.answer.is_ours:
            _log.error(
                "two masters",
                error=f"The mirror {self._mirror.address} runs the Node version and says MASTER too. It asks this "
                "instance at its next tick and steps down; if it does not, it can't reach this instance: see to that, "
                "for it exports and deletes by its own rules.",
            )
