"""Asks every instance for its role all the time, as nobody in the field could, and keeps what it was told."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .cli import PATIENCE
from .instance import MASTER, Instance

_PAUSE = 0.03


@dataclass(frozen=True)
class Told:
    """An answer, between when it was asked for and when it was there, by the monotonic clock."""

    asked_at: float
    at: float
    name: str
    role: str | None


@dataclass
class Witness:
    """One thread for each instance, so that one that does not answer hides no other."""

    instances: Sequence[Instance]
    told: list[Told] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def start(self) -> None:
        for instance in self.instances:
            thread = threading.Thread(
                target=self._watch, args=(instance,), name=f"witness {instance.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def masters(self, since: float) -> set[str]:
        """All that said MASTER when asked after `since`."""
        return {told.name for told in self.told if told.asked_at >= since and told.role == MASTER}

    def await_master(
        self, since: float, allowed: Callable[[str], bool] = bool, patience: float = PATIENCE
    ) -> tuple[str, float] | None:
        """The first of the allowed that says MASTER when asked after `since`, and when; None if nobody does in time."""
        deadline = time.monotonic() + patience
        with self._news:
            seen = bisect_left(self.told, since, key=lambda told: told.at)
            while True:
                for told in self.told[seen:]:
                    if told.asked_at >= since and told.role == MASTER and allowed(told.name):
                        return told.name, told.at
                seen = len(self.told)
                if not self._news.wait(deadline - time.monotonic()):
                    return None

    def _watch(self, instance: Instance) -> None:
        last = None
        while not self._done.wait(_PAUSE):
            asked_at = time.monotonic()
            role = instance.role()
            told = Told(asked_at, time.monotonic(), instance.name, role)
            # What was told twice adds nothing but memory; a MASTER does, for that is what two may say at once.
            if told.role == MASTER or told.role != last:
                with self._news:
                    self.told.append(told)
                    self._news.notify_all()
            last = told.role


def find_two_masters(told: Sequence[Told]) -> list[str]:
    """One said MASTER between two moments at which another one did, without having been anything else meanwhile."""
    found = []
    lines: dict[str, list[Told]] = {}
    for each in sorted(told, key=lambda one: one.asked_at):
        lines.setdefault(each.name, []).append(each)
    for name, line in lines.items():
        others = [each for other, theirs in lines.items() if other != name for each in theirs if each.role == MASTER]
        others.sort(key=lambda one: one.asked_at)
        found += _between(name, line, others)
    return found


def _between(name: str, line: list[Told], others: list[Told]) -> list[str]:
    found, position = [], 0
    for before, after in pairwise(line):
        while position < len(others) and others[position].asked_at < before.at:
            position += 1
        if before.role != MASTER or after.role != MASTER:
            continue
        while position < len(others) and others[position].at <= after.asked_at:
            found.append(f"{others[position].name} said MASTER while {name} was")
            position += 1
    return found
