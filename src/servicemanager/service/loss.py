"""A database that is away: people are told by the job `devices`, which is started for that while nobody is master."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import structlog

from servicemanager.cluster.keeper import Keeper
from servicemanager.errors import ServiceManagerError
from servicemanager.health.lost_database import LostDatabase
from servicemanager.scheduler.child import Child

#: Seconds that the database may be away before people are told, and between two tries to tell.
LOSS_COUNTS = 60.0
TOLD_EVERY = 600.0

_log = structlog.get_logger()


class Loss:
    """Of two instances that both miss the database one tells: the last master, or the one whose mirror is silent."""

    def __init__(self, keeper: Keeper, tells: Callable[[], bool], start: Callable[[], Child]) -> None:
        self._keeper, self._tells, self._start = keeper, tells, start
        self._child: Child | None = None
        self._tried_at: float | None = None
        self._was_away = True

    def turn(self, note: LostDatabase) -> None:
        """See whether there is something to tell. Called a few times a second by one thread."""
        if self._child and self._child.poll() is not None:
            self._child = None
        lost_at, now = self._keeper.lost_at, self._keeper.clock()
        if lost_at is None:
            self._over(note)
        elif now - lost_at >= LOSS_COUNTS and not self._child:
            self._was_away = True
            if (self._tried_at is None or now - self._tried_at >= TOLD_EVERY) and self._tells():
                self._tried_at = now
                with suppress(OSError):
                    self._child = self._start()

    def close(self) -> None:
        if self._child:
            self._child.kill()
            self._child.process.wait()

    def _over(self, note: LostDatabase) -> None:
        """Whoever told the loss tells its end, master or not: only this machine knows that it was told."""
        database = self._keeper.database
        if not self._was_away or database is None:
            return
        self._was_away, self._tried_at = False, None
        try:
            note.tell_end(database)
        except ServiceManagerError as error:
            self._was_away = True
            _log.warning("the end of the database's loss could not be written down", error=str(error))
