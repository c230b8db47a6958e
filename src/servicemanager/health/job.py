"""The job `devices`: check the fleet, write down what is news, and deliver it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from servicemanager.alerts.channel import Channel
from servicemanager.alerts.delivery import Delivery
from servicemanager.alerts.heartbeat import beat
from servicemanager.alerts.outbox import Outbox
from servicemanager.errors import NotDelivered
from servicemanager.health.check import Check, Checked
from servicemanager.iotdb.engine import Database
from servicemanager.jobs.job import JobContext, JobResult

#: How long a run waits for a channel that does not take a message: a short outage is over by then.
PATIENCE = timedelta(seconds=20)
#: Decisions in the log; how many there are of each reason stands in the counts.
_SAID = 100


@dataclass(frozen=True)
class DevicesJob:
    """One check, whole."""

    database: Database
    check: Check
    channels: Mapping[str, Channel]
    chance: Callable[[], float]
    heartbeat_url: str | None = None
    patience: timedelta = PATIENCE
    name: str = "devices"
    lease_name: str = "job:devices"

    def run(self, context: JobContext) -> JobResult:
        with self.database.transaction() as tx:
            context.lease.pass_fence(tx)
            checked = self.check.run(tx)
        for decision in islice((each for each in checked.decisions if each.changes), _SAID):
            context.progress.say("decided", subject=decision.incident.subject, reason=decision.reason.value)
        outbox = Outbox(self.database)
        delivery = Delivery(outbox, self.channels, self.chance, context.stop.wait)
        delivered = delivery.run(self.patience)
        waiting = outbox.undelivered()
        problems = []
        if waiting.count:
            problems.append(
                f"{waiting.count} messages wait to be delivered, the oldest since {waiting.oldest_at:%Y-%m-%d %H:%M} "
                f"UTC. {waiting.error or 'They are tried again at the next check.'}"
            )
        counts = {**_counts(checked), "delivered": delivered, "undelivered": waiting.count}
        return JobResult(counts, tuple(problems), tuple(self._beat()))

    def _beat(self) -> list[str]:
        """The check is done, whatever became of its messages; a heartbeat that fails is worth a look, no more."""
        try:
            if self.heartbeat_url:
                beat(self.heartbeat_url)
        except NotDelivered as error:
            return [str(error)]
        return []


def _counts(checked: Checked) -> dict[str, int]:
    reasons = Counter(decision.reason.value.replace(" ", "_") for decision in checked.decisions)
    return {"silent": len(checked.seen.alarming), "incidents": len(checked.seen.after), **dict(sorted(reasons.items()))}
