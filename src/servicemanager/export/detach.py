"""A whole partition leaves Facts: exchanged for an empty twin, proven there, dropped.

The invariant: a row is in Facts, in a twin, or was proven to be in the archive by a transaction that marked it as
purged and its twin as proven. Only proven twins and empty ones are dropped. What can't be proven goes back into Facts,
row by row, within fenced transactions, and then is a matter of deleting rows. Every run begins with the twins that
there are, whoever made them: a plan that does not see their rows would take them for gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import stamina

from servicemanager.errors import ArchiveDamaged, DatabaseBusy, DatabaseRefused
from servicemanager.export.pace import Work
from servicemanager.export.plan import PlannedPartition
from servicemanager.export.purge import prove_objects, slices_of
from servicemanager.export.tools import Tools
from servicemanager.export.twin_proof import Proof, prove_twin
from servicemanager.export.work import Tally
from servicemanager.iotdb import twins
from servicemanager.iotdb.ddl import in_the_way
from servicemanager.iotdb.facts import Bucket, Facts
from servicemanager.iotdb.partitioning import PASSED_BY, has_triggers
from servicemanager.iotdb.partitions import count_in, merge, mergers, read_layout, span_of
from servicemanager.iotdb.shape import describe
from servicemanager.iotdb.twins import State, Twin
from servicemanager.iotdb.window import Window

_ROUNDS = 3
_TRIES = 4
#: Rows of one transaction that gives rows back.
_BACK_ROWS = 20_000
_QUARTER = timedelta(minutes=15)
_FOREVER = datetime(9000, 1, 1, tzinfo=UTC)
#: Partitions of one statement, for which inserts wait, ...
_DROPPED_AT_ONCE = 8
#: ... and so many rows of the first partition, which it copies.
_MOVED_ROWS = 10_000
#: How fast a server is taken to count a partition until one has left: a third of what the benchmarks' does.
_ROWS_PER_SECOND = 250_000
#: What holds fewer tells nothing about how long many rows take.
_TELLING_ROWS = 250_000


class Left(Enum):
    """What became of a partition's rows."""

    GONE = auto()
    #: They are in Facts: somebody has it in use, or the server refuses; so it will the next one.
    BLOCKED = auto()
    #: They are in Facts again: they could not be proven as a whole.
    BACK = auto()


def detach(tools: Tools, planned: PlannedPartition, tally: Tally) -> Left:
    """Let the rows of an archived partition leave Facts. Raises what keeps the archive from being proven."""
    looked_up = {}
    for entry in tools.journal.windows(planned.span):
        prove_objects(tools, entry, slices_of(tools.journal.parts(entry.id)))
        looked_up[entry.id] = entry.generations
    term = tools.context.lease.term
    twin = Twin(twins.twin_name(planned.span, term), planned.name, planned.span, term)
    tools.context.checkpoint()
    with tools.database.transaction() as tx:
        tools.context.lease.pass_fence(tx)
        twins.intend(tx, twin)
    try:
        twins.create(tools.database, twin.name)
        _exchange(tools, twin)
    except (DatabaseBusy, DatabaseRefused) as error:
        tally.notices.append(f"{planned.name} was not detached, so its rows are deleted one by one. {error}")
        settle(tools, twin.name, tally, purge=True)
        return Left.BLOCKED
    tools.context.progress.say("partition detached", partition=planned.name, rows=planned.rows)
    return Left.GONE if settle(tools, twin.name, tally, purge=True, looked_up=looked_up) else Left.BACK


def _exchange(tools: Tools, twin: Twin) -> None:
    """Tried again only where the server said that it did nothing, and so it looks: no twin is exchanged twice."""
    try:
        for attempt in stamina.retry_context(on=DatabaseBusy, attempts=_TRIES, timeout=None, wait_max=2.0):
            with attempt:
                tools.context.checkpoint()
                # The plan may be old: by triggers pt-online-schema-change lets deletes into its copy of the table.
                if has_triggers(tools.database):
                    raise DatabaseRefused(PASSED_BY)
                if attempt.num == 1 or _seems_empty(tools, twin.name):
                    twins.exchange(tools.database, twin.partition, twin.name)
    except DatabaseBusy as error:
        raise DatabaseBusy(
            f"A transaction at {tools.database.place} has Facts in use, and inserts would wait behind us. "
            f"{in_the_way(tools.database)}"
        ) from error


def _seems_empty(tools: Tools, name: str) -> bool:
    with tools.database.reading() as connection:
        return twins.is_empty(connection, name)


def settle_all(tools: Tools, tally: Tally, *, purge: bool) -> bool:
    """Before windows are worked on: every twin that an earlier run left behind, known to the journal or by its name.

    Whether there were any.
    """
    with tools.database.reading() as connection:
        names = sorted({*twins.existing(connection), *twins.journaled(connection)})
    for name in names:
        tools.context.checkpoint()
        back = not settle(tools, name, tally, purge=purge)
        tools.context.progress.say("twin settled", twin=name, back=back)
    return bool(names)


def settle(tools: Tools, name: str, tally: Tally, *, purge: bool, looked_up: Mapping[int, int] | None = None) -> bool:
    """Prove a twin and drop it, or give its rows back to Facts; whether nothing had to be given back.

    `looked_up` says how many generations of each window were just found in the archive as the journal has them.
    """
    back = False
    for _ in range(_ROUNDS):
        with tools.database.reading() as connection:
            twin, exists = twins.journaled(connection).get(name), name in twins.existing(connection)
            empty = not exists or twins.is_empty(connection, name)
        proven = twin is not None and twin.state is State.PROVEN
        if empty or proven:
            if not exists or _drop(tools, name, tally, proven=proven):
                _forget(tools, name)
            return not back
        facts = Facts.open(tools.database, _zone(tools), name)
        if not (purge and twin and prove_twin(Proof(tools, twin, facts, tally, looked_up or {}))):
            _give_back(tools, name, facts, tally)
            back = True
    raise ArchiveDamaged(f"Rows keep getting into the table {name}: is another program writing there?")


def _drop(tools: Tools, name: str, tally: Tally, *, proven: bool) -> bool:
    """Whether it is gone. What was proven can go as it is; an empty one only once nobody can put rows there."""
    try:
        if proven:
            twins.drop(tools.database, name)
            return True
        return twins.drop_if_empty(tools.database, name)
    except (DatabaseBusy, DatabaseRefused) as error:
        tally.notices.append(f"The table {name} stays until the next export: no row depends on it. {error}")
        return False


def _forget(tools: Tools, name: str) -> None:
    with tools.database.transaction() as tx:
        tools.context.lease.pass_fence(tx)
        twins.forget(tx, name)


def _zone(tools: Tools) -> str:
    wall = tools.facts.shape.wall_zone
    return wall.key if wall else "UTC"


def _give_back(tools: Tools, name: str, facts: Facts, tally: Tally) -> None:
    """Each transaction moves some rows: they are in one of the two tables at any time."""
    moved, target = 0, describe(tools.database, _zone(tools))
    spans: list[Window | None] = [*_spans(facts.counts(None, _FOREVER, _QUARTER)), None]
    for span in spans:
        tools.context.checkpoint()
        with tools.database.transaction() as tx:
            tools.context.lease.pass_fence(tx)
            there, here = facts.move(tx, target, span)
            if there != here:
                raise DatabaseBusy(f"The rows of {name} change while they are given back: the next run tries again.")
        moved += here
    tally.counts.update(rows_given_back=moved)
    tally.notices.append(f"{moved:,} rows of {name} were given back to Facts, because they could not be proven there.")


def _spans(buckets: Sequence[Bucket]) -> list[Window]:
    spans: list[Window] = []
    rows = 0
    for bucket in buckets:
        if spans and rows + bucket.rows <= _BACK_ROWS:
            spans[-1] = Window(spans[-1].start_at, bucket.window.end_at)
            rows += bucket.rows
        else:
            spans.append(bucket.window)
            rows = bucket.rows
    return spans


def drop_emptied(tools: Tools, cutoff: datetime, tally: Tally) -> None:
    """Let partitions of days before `cutoff` that hold nothing become one with a neighbour, with the first if it can.

    A row that arrives there meanwhile moves along, so that nothing need keep it out.
    """
    layout = read_layout(tools.database)
    due = [each for each in layout.days if span_of(tools.facts, each).end_at <= cutoff]
    emptied = {each.name for each in due if not count_in(tools.database, each, limit=1)}
    if emptied and count_in(tools.database, layout.partitions[0], limit=_MOVED_ROWS + 1) <= _MOVED_ROWS:
        emptied.add(layout.partitions[0].name)
    try:
        for together in mergers(layout, emptied, _DROPPED_AT_ONCE):
            tools.context.checkpoint()
            with tools.database.reading() as connection:
                connection.exec_driver_sql(f"ALTER TABLE Facts {merge(tools.facts, together)}")
            tally.counts.update(partitions_dropped=len(together) - 1)
    except (DatabaseBusy, DatabaseRefused) as error:
        tally.notices.append(f"Empty partitions stay until the next export. {error}")


@dataclass
class Detaching:
    """The partitions of one run: once one is blocked, the others are not tried."""

    tools: Tools
    tally: Tally
    blocked: bool = False
    #: The slowest so far.
    rows_per_second: float = _ROWS_PER_SECOND

    def __call__(self, planned: PlannedPartition) -> bool:
        """Whether its rows are gone; else they are in Facts."""
        if self.blocked:
            return False
        throttle = self.tools.throttle
        throttle.before(Work.COUNT, planned.rows)
        # It is one statement of the server's, which nobody can pause.
        throttle.check_room(
            f"The partition {planned.name} with {planned.rows:,} rows", planned.rows / self.rows_per_second
        )
        began = throttle.clock()
        left = detach(self.tools, planned, self.tally)
        if planned.rows >= _TELLING_ROWS:
            self.rows_per_second = min(self.rows_per_second, planned.rows / (throttle.clock() - began))
        self.blocked = left is Left.BLOCKED
        return left is Left.GONE
