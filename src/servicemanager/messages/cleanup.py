"""The job `messages`: deletes old messages, a small chunk by primary key in each short transaction.

What a run would do is a plan, which says for each kind of message how many are due, by group. What expires unread is
told before anything is deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import stamina

from servicemanager.errors import DatabaseBusy
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.messages import Block, Kind, Messages, Rule
from servicemanager.jobs.job import JobContext, JobResult

#: Messages of one transaction.
CHUNK = 5_000
#: Chunks of a block, which is counted by group at once.
CHUNKS = 10
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
            return [Due(rule, self.messages.count_by_group(connection, rule)) for rule in self._rules(connection)]

    def run(self, context: JobContext) -> JobResult:
        with self.database.reading() as connection:
            rules = self._rules(connection)
            context.progress.expect("deleted", sum(self.messages.count(connection, rule) for rule in rules))
            unread = [rule for rule in rules if rule.kind is Kind.UNREAD]
            notices = list(_expiring(self.messages.count_by_group(connection, rule) for rule in unread))
        for notice in notices:
            context.progress.say("messages expire unread", notice=notice)
        notices += [notice for rule in rules for notice in self._clear(context, rule)]
        return JobResult(dict(context.counts), notices=tuple(notices))

    def _rules(self, connection: sa.Connection) -> list[Rule]:
        return plan_rules(self.database.now(connection), self.retention)

    def _clear(self, context: JobContext, rule: Rule) -> Iterator[str]:
        """Block by block: counted by group as a whole, deleted in chunks."""
        after = -1
        while block := self._next_block(rule, after):
            context.checkpoint()
            counted, deleted = block.by_group.total(), self._delete(context, rule, block)
            context.counts.update({f"{rule.kind}, {name or NO_GROUP}": n for name, n in block.by_group.items()})
            if deleted != counted:
                yield (
                    f"Of {counted} messages that were counted by group {deleted} were deleted: the others had been "
                    "read, or deleted by somebody else, meanwhile."
                )
            after = block.last

    def _next_block(self, rule: Rule, after: int) -> Block | None:
        with self.database.reading() as connection:
            return self.messages.next_block(connection, rule, after, self.chunk * CHUNKS)

    def _delete(self, context: JobContext, rule: Rule, block: Block) -> int:
        """The whole block, whoever asks the run to stop meanwhile, so that its count by group stays true."""
        deleted, last = 0, block.first - 1
        while last < block.last:
            number, last = self._delete_chunk(context, rule, block, last)
            context.counts.update({rule.kind.value: number})
            context.progress.advance("deleted", number)
            deleted += number
        return deleted

    def _delete_chunk(self, context: JobContext, rule: Rule, block: Block, after: int) -> tuple[int, int]:
        """How many were deleted, and up to which number."""
        for attempt in stamina.retry_context(on=DatabaseBusy, attempts=8, timeout=None, wait_max=2.0):
            with attempt:
                context.lease.check()
                with self.database.transaction() as tx:
                    context.lease.pass_fence(tx)
                    last = min(self._end_of_chunk(tx, rule, block, after), block.last)
                    return self.messages.delete(tx, rule, after, last), last
        raise AssertionError  # the last attempt raises

    def _end_of_chunk(self, tx: sa.Connection, rule: Rule, block: Block, after: int) -> int:
        """Looked for only where numbers are rare: so many of them bear no more messages than that."""
        if block.dense:
            return after + self.chunk
        return self.messages.end_of_chunk(tx, rule, after, self.chunk) or block.last


def _expiring(unread: Iterable[Counter[str]]) -> Iterator[str]:
    for by_group in filter(None, unread):
        groups = ", ".join(f"{name or NO_GROUP} {number}" for name, number in by_group.most_common())
        yield f"{by_group.total()} messages expire unread, by group: {groups}."
