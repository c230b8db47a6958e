"""What all instances agree on by the database: the secret that sessions are signed with, and which ones were ended.

While the database is away a secret of this process serves, and what was ended here is remembered here.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database, read_meta
from servicemanager.iotdb.tables import meta

SECRET = "session_secret"  # noqa: S105 -- the name of a row
ENDED = "session_ended:"


class Shared:
    """Thread-safe; only `look` asks the database."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._own = secrets.token_bytes(32)
        self._agreed: bytes | None = None
        #: Sessions by number, each with the instant after which it would be over anyway.
        self._ended: dict[str, datetime] = {}
        self._unwritten: dict[str, datetime] = {}
        self._lock = threading.Lock()

    @property
    def is_agreed(self) -> bool:
        return self._agreed is not None

    @property
    def secrets(self) -> list[bytes]:
        """To be accepted; the last one is to be signed with."""
        return [self._own, self._agreed] if self._agreed else [self._own]

    def end(self, session: str, until: datetime) -> None:
        """Let that session be over, here at once and elsewhere after the next look."""
        with self._lock:
            self._ended[session] = self._unwritten[session] = until

    def is_ended(self, session: str) -> bool:
        return session in self._ended

    def look(self) -> None:
        """Tell the database what is new here, and learn what is new there. Raises ServiceManagerError."""
        database, now = self._database(), datetime.now(UTC)
        if self._agreed is None:
            self._agreed = bytes.fromhex(_agree(database))
        with self._lock:
            unwritten = dict(self._unwritten)
        if unwritten:
            with database.transaction() as tx:
                old = meta.c.name.like(f"{ENDED}%") & (meta.c.value < _text(now))
                tx.execute(meta.delete().where(old))
                for session, until in unwritten.items():
                    tx.execute(_insert().values(name=ENDED + session, value=_text(until)))
        with database.reading() as connection:
            rows = connection.execute(meta.select().where(meta.c.name.like(f"{ENDED}%"))).all()
        told = {row.name.removeprefix(ENDED): datetime.fromisoformat(row.value) for row in rows}
        with self._lock:
            self._unwritten = {key: until for key, until in self._unwritten.items() if key not in unwritten}
            self._ended = {key: until for key, until in {**self._ended, **told}.items() if until > now}


def _agree(database: Database) -> str:
    """The secret in the database; made by whoever comes first."""
    with database.transaction() as tx:
        if found := read_meta(tx, SECRET):
            return found
        tx.execute(_insert().values(name=SECRET, value=secrets.token_hex(32)))
        # Another instance may have been first.
        return read_meta(tx, SECRET) or ""


def _insert() -> sa.Insert:
    return meta.insert().prefix_with("IGNORE", dialect="mysql").prefix_with("OR IGNORE", dialect="sqlite")


def _text(instant: datetime) -> str:
    """Texts of this form are in the order of their instants."""
    return instant.astimezone(UTC).isoformat(timespec="seconds")
