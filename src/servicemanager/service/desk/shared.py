"""Answers that everyone who looks at the same time shares: computed by one thread, and only when somebody asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from servicemanager.errors import ServiceManagerError

T = TypeVar("T")

#: Seconds after which what failed is tried again.
_FAILURES = 2.0


@dataclass(frozen=True)
class _Made(Generic[T]):
    at: float
    value: T | None
    error: ServiceManagerError | None


class Shared(Generic[T]):
    """What `make` returns or raises, at most `fresh` seconds old, and a little older while it is made anew.

    A failure is shared like an answer: of twenty who wait for a database that is away, one finds that out.
    """

    def __init__(
        self, make: Callable[[], T], fresh: float, usable: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make, self._fresh, self._usable, self._clock = make, fresh, usable, clock
        self._lock = threading.Lock()
        self._made: _Made[T] | None = None

    def get(self, age: float = 0.0) -> T:
        """`age` is how old an answer may be, in seconds, for whoever asks by the way and need not make a new one."""
        made = self._made
        if made and made.error is None and self._clock() - made.at < age:
            return made.value  # type: ignore[return-value]
        if made is None or self._is_stale(made):
            # Whoever has an answer that will do does not wait for the one that computes a newer one.
            may_wait = made is None or made.error is not None or self._clock() - made.at >= self._usable
            if self._lock.acquire(blocking=may_wait):
                try:
                    made = self._renewed()
                finally:
                    self._lock.release()
        assert made is not None  # noqa: S101 -- without one, it was waited for
        if made.error:
            raise made.error.with_traceback(None)
        return made.value  # type: ignore[return-value]

    def forget(self) -> None:
        """What was just done shall be seen at once."""
        self._made = None

    def _is_stale(self, made: _Made[T]) -> bool:
        fresh = min(self._fresh, _FAILURES) if made.error else self._fresh
        return self._clock() - made.at >= fresh

    def _renewed(self) -> _Made[T]:
        made = self._made
        if made is None or self._is_stale(made):
            try:
                value, error = self._make(), None
            except ServiceManagerError as failure:
                value, error = None, failure
            made = self._made = _Made(self._clock(), value, error)
        return made
