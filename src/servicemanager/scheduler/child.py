"""A run of a job in a process of its own, which a crash, a leak or a hang harms alone.

The child reads its stdin: when that ends, the daemon is gone, and the child stops as if it had been told to.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

#: How long a child that was asked to stop may take to reach a safe place.
PATIENCE = 8.0


@dataclass(frozen=True)
class Command:
    """What is started, and with what."""

    arguments: tuple[str, ...]
    environ: Mapping[str, str]
    #: Open files that the child may read, such as the configuration that the daemon works by.
    descriptors: tuple[int, ...] = ()


@dataclass
class Child:
    """A process that runs one job. Not thread-safe: one thread starts, watches and stops it."""

    job: str
    process: subprocess.Popen[bytes]
    started_at: float
    limit: timedelta
    asked_at: float | None = None
    over_limit: bool = False

    @classmethod
    def start(cls, job: str, command: Command, limit: timedelta) -> Child:
        """Raises OSError where the system has no process left to give."""
        # In a group of its own: Ctrl-C at a terminal reaches the daemon, which asks its children in its own way.
        process = subprocess.Popen(  # noqa: S603 -- our own program
            command.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=dict(command.environ),
            process_group=0,
            pass_fds=command.descriptors,
        )
        return cls(job, process, time.monotonic(), limit)

    def poll(self) -> int | None:
        """Its exit status, or minus the signal that ended it; None while it runs. Sees to the time limit."""
        status = self.process.poll()
        if status is not None:
            if self.process.stdin:
                self.process.stdin.close()
            return status
        now = time.monotonic()
        if self.asked_at is None and now - self.started_at > self.limit.total_seconds():
            self.over_limit = True
            self.stop()
        if self.asked_at is not None and now - self.asked_at > PATIENCE:
            self.kill()
        return None

    def stop(self) -> None:
        """Ask it to end at its next safe place; a child that does not is killed after a while by `poll`."""
        if self.asked_at is None:
            self.asked_at = time.monotonic()
            self._send(signal.SIGTERM)

    def kill(self) -> None:
        """What it had begun is rolled back by the server, and its lease expires."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
