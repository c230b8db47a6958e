"""Silences as documents, added and ended by somebody whose name is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from servicemanager.alerts.silence import Silence as Stored
from servicemanager.alerts.silences import add_silence, load_silences, remove_silences
from servicemanager.alerts.wishes import SilenceWish, to_silence
from servicemanager.errors import NotFound
from servicemanager.iotdb.engine import Database
from servicemanager.service.desk.cursors import LARGEST
from servicemanager.web.documents.incidents import AddSilence, Silence


def silence_document(silence: Stored, now: datetime, zone: ZoneInfo) -> Silence:
    assert silence.number is not None  # noqa: S101 -- it is stored
    seconds = None if silence.duration is None else int(silence.duration.total_seconds())
    return Silence(
        number=silence.number,
        target=silence.target,
        name=silence.name,
        reason=silence.reason,
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        cron=silence.cron,
        duration_seconds=seconds,
        in_force=silence.holds(now, zone),
        by=silence.by,
    )


def not_over(silences: Iterable[Stored], now: datetime) -> Iterator[Stored]:
    """Those that are in force or still to come."""
    return (silence for silence in silences if silence.ends_at is None or silence.ends_at > now)


def fetch_silences(database: Database, zone: ZoneInfo) -> tuple[Silence, ...]:
    with database.reading() as connection:
        now = database.now(connection)
        return tuple(silence_document(each, now, zone) for each in not_over(load_silences(connection), now))


def save_silence(database: Database, zone: ZoneInfo, asked: AddSilence, by: str) -> Silence:
    """Raises ConfigurationError where the wishes do not fit together."""
    duration = timedelta(seconds=asked.seconds) if asked.seconds is not None else None
    wish = SilenceWish(asked.target, asked.name, asked.reason, duration, asked.ends_at, asked.cron)
    with database.transaction() as tx:
        # Whole seconds, as a check counts: it may come within this one.
        now = database.now(tx).replace(microsecond=0)
        number = add_silence(tx, to_silence(wish, now, by))
        (stored,) = (silence for silence in load_silences(tx) if silence.number == number)
    return silence_document(stored, now, zone)


def end_silence(database: Database, number: int) -> None:
    """Raises NotFound."""
    with database.transaction() as tx:
        if not 0 < number <= LARGEST or not remove_silences(tx, [number]):
            raise NotFound(f"There is no silence {number}: servicemanager silence list shows all.")
