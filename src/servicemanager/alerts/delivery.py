"""Delivery: every message that is due, to its channel; again later, and later each time, where that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from servicemanager.alerts.channel import Channel
from servicemanager.alerts.outbox import Failure, Letter, Outbox
from servicemanager.errors import ChannelRefused, NotDelivered

_FIRST, _LONGEST = timedelta(seconds=2), timedelta(minutes=10)
#: A refusal lasts until a person puts something right.
_REFUSED = timedelta(hours=1)
_NO_CHANNEL = "This channel is not configured any more: configure it again, and the message is delivered."


def backoff(attempts: int, chance: float) -> timedelta:
    """How long to wait after so many attempts: 2 s, doubled each time up to 10 minutes; chance takes up to half.

    `chance` lies between 0 and 1; it keeps instances from knocking all at once.
    """
    doubled = min(_LONGEST, _FIRST * 2 ** min(attempts - 1, 20))
    return doubled * (1 - chance / 2)


@dataclass(frozen=True)
class Delivery:
    """Sends what is due; `chance` gives a number between 0 and 1."""

    outbox: Outbox
    channels: Mapping[str, Channel]
    chance: Callable[[], float]
    #: Waits for so many seconds, and says whether the run was asked to stop.
    wait: Callable[[float], bool] = field(default=lambda seconds: threading.Event().wait(seconds))

    def run(self, patience: timedelta = timedelta(0)) -> int:
        """Deliver until nothing is due within `patience`, all waiting together. Return how many were delivered."""
        delivered = self._all_due()
        while (wait := self.outbox.next_due()) is not None and wait <= patience:
            if self.wait(max(0.0, wait.total_seconds())):
                break
            patience -= max(wait, timedelta(milliseconds=50))
            delivered += self._all_due()
        return delivered

    def _all_due(self) -> int:
        delivered = 0
        while letter := self.outbox.claim():
            delivered += self._deliver(letter)
        return delivered

    def _deliver(self, letter: Letter) -> bool:
        channel = self.channels.get(letter.channel)
        if channel is None:
            self.outbox.failed(letter, Failure.PERMANENT, _NO_CHANNEL, _REFUSED)
            return False
        try:
            channel.send(letter.subject, letter.body)
        except ChannelRefused as error:
            # A person may put it right, so it is not given up; but nothing is gained by knocking.
            self.outbox.failed(letter, Failure.PERMANENT, str(error), _REFUSED)
            return False
        except NotDelivered as error:
            self.outbox.failed(letter, Failure.PASSING, str(error), backoff(letter.attempts, self.chance()))
            return False
        self.outbox.delivered(letter)
        return True
