"""The job `messages`: deletes old messages, a small chunk by primary key in each short transaction.

What a run would do is a plan, which says for each kind of message how many are due, by group; the run prints
it before it deletes anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import stamina

from servicemanager.errors import DatabaseBusy
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.messages import Chunk, Kind, Messages, Rule
from servicemanager.jobs.job import JobContext, JobResult

#: Messages of one transaction.
CHUNK = 1_000
NO_GROUP = "(no group)"


@dataclass(frozen=True)
class Retention:
    """How long messages are kept."""

    #: After they were read.
    read: timedelta
    #: After they came, where they were never read; None keeps them.
    unread: timedelta | None = None
    #: Whether persistent messages go like those that are delivered once.
    persistent: bool = False


@dataclass(frozen=True)
class Due:
    """Messages of one kind that a run deletes."""

    rule: Rule
    by_group: Counter[str]


def plan_rules(now: datetime, retention: Retention) -> list[Rule]:
    """Pure: the rules that hold at `now`."""
    rules = [Rule(Kind.READ, now - retention.read)]
    if retention.unread is not None:
        rules.append(Rule(Kind.UNREAD, now - retention.unread))
    if retention.persistent:
        rules.append(Rule(Kind.PERSISTENT, now - retention.read))
    return rules


@dataclass(frozen=True)
class MessagesJob:
    """One cleanup; `plan` alone is a dry run."""

    database: Database
    messages: Messages
    retention: Retention
    chunk: int = CHUNK
    name: str = "messages"
    lease_name: str = "job:messages"

    def plan(self) -> list[Due]:
        """What a run would delete now. Changes nothing."""
        with self.database.reading() as connection:
            rules = plan_rules(self.database.now(connection), self.retention)
            return [Due(rule, self.messages.count_by_group(connection, rule)) for rule in rules]

    def run(self, context: JobContext) -> JobResult:
        plan = self.plan()
        notices = tuple(_expiring(plan))
        for notice in notices:
            context.progress.say("messages expire unread", notice=notice)
        context.progress.expect("deleted", sum(due.by_group.total() for due in plan))
        for due in plan:
            if due.by_group:
                self._clear(context, due.rule)
        return JobResult(dict(context.counts), notices=notices)

    def _clear(self, context: JobContext, rule: Rule) -> None:
        after = -1
        while chunk := self._delete_next(context, rule, after):
            context.counts.update({rule.kind.value: chunk.by_group.total()})
            context.counts.update({f"{rule.kind}, {name or NO_GROUP}": n for name, n in chunk.by_group.items()})
            context.progress.advance("deleted", chunk.by_group.total())
            after = chunk.last

    def _delete_next(self, context: JobContext, rule: Rule, after: int) -> Chunk | None:
        """Counted and deleted in one transaction; again where somebody else deleted some of them in between."""
        for attempt in stamina.retry_context(on=DatabaseBusy, attempts=8, timeout=None, wait_max=2.0):
            with attempt:
                context.checkpoint()
                with self.database.transaction() as tx:
                    context.lease.pass_fence(tx)
                    chunk = self.messages.next_chunk(tx, rule, after, self.chunk)
                    if chunk and self.messages.delete(tx, rule, chunk) != chunk.by_group.total():
                        raise DatabaseBusy("Somebody else deletes messages at the same time: the next run goes on.")
                return chunk
        raise AssertionError  # the last attempt raises


def _expiring(plan: list[Due]) -> Iterator[str]:
    for due in plan:
        if due.rule.kind is Kind.UNREAD and due.by_group:
            groups = ", ".join(f"{name or NO_GROUP} {number}" for name, number in due.by_group.most_common())
            yield f"{due.by_group.total()} messages expire unread, by group: {groups}."
