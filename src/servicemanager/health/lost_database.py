"""A database that is down is told of directly, once, and so is its end.

There is no outbox then, so what was told stands in a small file of this machine, written after the channels took the
message: a run that dies in between tells it again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from servicemanager.alerts.channel import Channel
from servicemanager.alerts.outbox import Outbox
from servicemanager.alerts.text import ascii_subject, clock, lasting, plain
from servicemanager.errors import NotDelivered
from servicemanager.iotdb.engine import Database


@dataclass(frozen=True)
class LostDatabase:
    """`note` is the file."""

    note: Path
    zone: ZoneInfo

    def tell(self, channels: Iterable[Channel], error: Exception, now: datetime) -> list[str]:
        """Say that the database is lost, on every channel that does not know yet. Return what failed, in sentences."""
        known = self._read()
        since, told = known.get("since", now.isoformat()), set(known.get("told", ()))
        subject = ascii_subject("The database can't be reached: nothing is checked")
        body = (
            f"{plain(str(error))}\n\nSince {clock(datetime.fromisoformat(since), now, self.zone)} no device is checked "
            "and nothing is archived. You are told when the database is back."
        )
        failed = []
        for channel in channels:
            if channel.name in told:
                continue
            try:
                channel.send(subject, body)
                told.add(channel.name)
            except NotDelivered as why:
                failed.append(str(why))
        self._write({"since": since, "told": sorted(told)})
        return failed

    def tell_end(self, database: Database) -> None:
        """Put the end into the outbox, for each channel that knows of the loss."""
        known = self._read()
        if not known:
            return
        with database.transaction() as tx:
            now = database.now(tx)
            since = datetime.fromisoformat(known["since"])
            body = (
                f"It was out of reach from {clock(since, now, self.zone)}, by the clock of the machine that noticed, "
                f"for about {lasting(now - since)}. Checks go on."
            )
            Outbox(database).put(tx, known["told"], "The database can be reached again", body, now)
        # Killed before this, the next run tells the end once more: better twice than never.
        self.note.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        """What we wrote ourselves: the folder may be one that everybody writes into, such as /tmp."""
        try:
            with os.fdopen(os.open(self.note, os.O_RDONLY | os.O_NOFOLLOW)) as file:
                ours = os.fstat(file.fileno()).st_uid == os.geteuid()
                value = json.load(file) if ours else None
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) and {"since", "told"} <= value.keys() else {}

    def _write(self, known: Mapping[str, object]) -> None:
        """Where that can't be done the loss is told again at the next run: better twice than never."""
        new = self.note.with_suffix(f".{uuid4().hex}")
        with suppress(OSError):
            self.note.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
                json.dump(known, file)
            new.replace(self.note)
