"""Messages that were decided, until every channel took them.

A message is written in the transaction that changes what it tells of. Whoever delivers claims a row first, for a
limited time: one who dies with the claim is followed by another, so a message arrives at least once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import uuid4

import sqlalchemy as sa

from servicemanager.iotdb import tables
from servicemanager.iotdb.engine import Database

#: Longer than any channel may take for one message.
CLAIM = timedelta(minutes=2)
_LONGEST_SUBJECT, _LONGEST_ERROR = 190, 500

_table = tables.outbox


class Failure(StrEnum):
    """Whether trying again can help by itself."""

    PASSING = "passing"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way to one channel; `claim` proves that it is ours to send."""

    number: int
    channel: str
    subject: str
    body: str
    attempts: int
    claim: str


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What waits: how many messages, since when and for how long the oldest, and what came back for it last."""

    count: int
    oldest_at: datetime | None
    age: timedelta | None
    error: str | None


@dataclass(frozen=True)
class Outbox:
    """All times are the database's."""

    database: Database

    def put(self, tx: sa.Connection, channels: Iterable[str], subject: str, body: str, now: datetime) -> int:
        """Decide a message, in the caller's transaction. Return for how many channels."""
        values = {"subject": subject[:_LONGEST_SUBJECT], "body": body, "created_at": now, "due_at": now, "attempts": 0}
        rows = [{"channel": channel, **values} for channel in channels]
        if rows:
            tx.execute(_table.insert(), rows)
        return len(rows)

    def claim(self) -> Letter | None:
        """Take the oldest message that is due; nobody else gets it before the claim expires.

        Nothing overtakes an older message of the same channel, so that no recovery is told before its trouble. Only
        one that the channel refused steps aside.
        """
        refused = _table.c.failure == Failure.PERMANENT.value
        others = (_table.c.delivered_at.is_(None), sa.func.coalesce(_table.c.failure, "") != Failure.PERMANENT.value)
        oldest = sa.select(sa.func.min(_table.c.id)).where(*others).group_by(_table.c.channel)
        while True:
            with self.database.transaction() as tx:
                now = self.database.now(tx)
                due = (_table.c.delivered_at.is_(None), _table.c.due_at <= now, refused | _table.c.id.in_(oldest))
                row = tx.execute(sa.select(_table).where(*due).order_by(_table.c.id).limit(1)).first()
                if row is None:
                    return None
                claim = uuid4().hex
                unchanged = (_table.c.id == row.id, _table.c.delivered_at.is_(None), _table.c.due_at == row.due_at)
                values = {"claim": claim, "due_at": now + CLAIM, "attempts": row.attempts + 1}
                if tx.execute(_table.update().where(*unchanged).values(**values)).rowcount == 1:
                    return Letter(row.id, row.channel, row.subject, row.body, row.attempts + 1, claim)

    def delivered(self, letter: Letter) -> None:
        with self.database.transaction() as tx:
            now = self.database.now(tx)
            # Whoever claims it now sends what was sent already, so this counts, whosever claim it is.
            tx.execute(_table.update().where(_table.c.id == letter.number).values(delivered_at=now, error=None))

    def failed(self, letter: Letter, failure: Failure, error: str, wait: timedelta) -> None:
        """Put the message back, due after `wait`, unless somebody else has claimed it meanwhile."""
        with self.database.transaction() as tx:
            mine = (_table.c.id == letter.number, _table.c.claim == letter.claim)
            due_at = self.database.now(tx) + wait
            values = {"due_at": due_at, "failure": failure.value, "error": error[:_LONGEST_ERROR]}
            tx.execute(_table.update().where(*mine).values(**values))

    def next_due(self) -> timedelta | None:
        """How long until a message that was not refused is tried again; None where none waits."""
        waiting = (_table.c.delivered_at.is_(None), _table.c.failure == Failure.PASSING.value)
        with self.database.reading() as connection:
            query = sa.select(sa.func.max(_table.c.due_at)).where(*waiting)
            due_at = connection.execute(query).scalar()
            return None if due_at is None else due_at - self.database.now(connection)

    def undelivered(self) -> Undelivered:
        with self.database.reading() as connection:
            waiting = _table.c.delivered_at.is_(None)
            query = sa.select(sa.func.count(), sa.func.min(_table.c.created_at)).where(waiting)
            count, oldest_at = connection.execute(query).one()
            failed = (waiting, _table.c.error.is_not(None))
            error = connection.execute(sa.select(_table.c.error).where(*failed).order_by(_table.c.id).limit(1)).scalar()
            age = self.database.now(connection) - oldest_at if oldest_at else None
            return Undelivered(count, oldest_at, age, error)
