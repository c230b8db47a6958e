"""A run that somebody asks for: handed to the daemon's main loop, which alone starts and watches children."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import sqlalchemy as sa

from servicemanager.errors import ConfigurationError, LeaseHeld, ServiceManagerError
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.tables import lease

#: Seconds that the main loop gets: it turns a few times a second, and may wait for the database in between.
PATIENCE = 8.0

#: Starts a run of the job named first, for the person named second.
Start = Callable[[str, str], None]


@dataclass(frozen=True)
class _Wish:
    job: str
    by: str
    done: Future[None] = field(default_factory=Future)


class Wishes:
    """What people ask of the main loop. Thread-safe."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_Wish] = queue.SimpleQueue()

    def start(self, job: str, by: str) -> None:
        """Wait until the run is started. Raises what kept it from that."""
        wish = _Wish(job, by)
        self._waiting.put(wish)
        try:
            wish.done.result(PATIENCE)
        except TimeoutError as error:
            if wish.done.cancel():
                raise ServiceManagerError(
                    f"This instance was too busy to start the job {job}: try again in a moment."
                ) from error
            wish.done.result()

    def fulfil(self, start: Start) -> None:
        """Start what is asked for. Called by the main loop; raises nothing of what a start raises."""
        while True:
            try:
                wish = self._waiting.get_nowait()
            except queue.Empty:
                return
            # From here on whoever waits takes no wish back.
            if not wish.done.set_running_or_notify_cancel():
                continue
            try:
                start(wish.job, wish.by)
            except ServiceManagerError as error:
                wish.done.set_exception(error)
            else:
                wish.done.set_result(None)


def refuse_second_run(database: Database, job: str) -> None:
    """Raises LeaseHeld where a run of the job, or whatever shares its lease, is at work on any instance."""
    query = sa.select(lease).where(lease.c.name == f"job:{job}", lease.c.holder.is_not(None))
    with database.reading() as connection:
        held = connection.execute(query).one_or_none()
        at_work = held is not None and held.expires_at > database.now(connection)
    if held is not None and at_work:
        raise LeaseHeld(f"A run of the job {job} is at work, on {held.holder}: wait for its end, or watch it.")


def refuse_unwanted(job: str, *, wanted: bool) -> None:
    """Raises ConfigurationError where the settings do not ask for the job."""
    if not wanted:
        raise ConfigurationError(
            f"The settings do not ask for the job {job}: the reference says what it needs, such as a bucket."
        )
