"""Publication: all rows of DeviceStatistics replaced in one transaction, out of one snapshot of the rollups.

Memory holds a few thousand pairs, however many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, islice

import sqlalchemy as sa

from servicemanager.archive.coverage import coverage
from servicemanager.config import Guard
from servicemanager.iotdb.device_statistics import DeviceStatistics, Line
from servicemanager.statistics.judge import Change, Decision, Verdict, compare, decide_publication, judge, to_line
from servicemanager.statistics.tools import Moved, Tools

_CHUNK = 1_000
#: Pairs that are named one by one; there may be millions.
LISTED = 1_000


@dataclass
class Judged:
    """What was found fit or unfit on the way to the table."""

    tools: Tools
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    unfit: list[tuple[Line, Verdict]] = field(default_factory=list)

    def published(self, lines: Iterator[Line]) -> Iterator[Line]:
        """Those lines that are to be published."""
        wishes = self.tools.wishes
        for line in lines:
            verdict = judge(line, wishes.sigmas)
            self.verdicts[verdict] += 1
            if verdict is not Verdict.FIT and len(self.unfit) < LISTED:
                self.unfit.append((line, verdict))
            if verdict is Verdict.FIT or wishes.guard is Guard.REPORT:
                yield line

    @property
    def unfit_pairs(self) -> int:
        return self.verdicts.total() - self.verdicts[Verdict.FIT]


@dataclass(frozen=True)
class Published:
    """What a publication did, or why it did not."""

    decision: Decision
    before: int
    after: int
    judged: Judged
    #: Pairs for which the table has no room, because its key takes their devices for others.
    alike: int = 0


def publish(tools: Tools, target: DeviceStatistics, digests: Mapping[date, str]) -> Published:
    """Raises Moved where an export journaled something since the days were summed up."""
    judged = Judged(tools)
    with tools.database.snapshot() as snapshot:
        _check_unmoved(tools, snapshot, digests)
        lines = judged.published(_lines(tools, snapshot))
        # The server works on the first line for a while; the transaction begins when it is there.
        first = list(islice(lines, _CHUNK))
        try:
            return _replace(tools, target, chain(first, lines), judged)
        except _Shrinks as held:
            return Published(Decision.SHRINKS, held.before, held.after, judged)


@dataclass
class _Shrinks(Exception):
    """Rolls the transaction back."""

    before: int
    after: int


def _replace(tools: Tools, target: DeviceStatistics, lines: Iterator[Line], judged: Judged) -> Published:
    after = alike = 0
    with tools.database.transaction() as tx:
        tools.context.lease.pass_fence(tx)
        now, before = tools.database.now(tx), target.clear(tx)
        while chunk := list(islice(lines, _CHUNK)):
            tools.context.checkpoint()
            taken = target.insert(tx, chunk, now)
            after, alike = after + taken, alike + len(chunk) - taken
        decision = decide_publication(before, after, force=tools.wishes.force)
        if decision is Decision.SHRINKS:
            raise _Shrinks(before, after)
        tools.context.checkpoint()
    return Published(decision, before, after, judged, alike)


def differences(tools: Tools, target: DeviceStatistics, digests: Mapping[date, str]) -> Iterator[Change]:
    """What a publication would change, pair by pair. Raises Moved."""
    with tools.database.snapshot() as snapshot, tools.database.snapshot() as published:
        _check_unmoved(tools, snapshot, digests)
        yield from compare(target.lines(published), Judged(tools).published(_lines(tools, snapshot)))


def _lines(tools: Tools, snapshot: sa.Connection) -> Iterator[Line]:
    found = tools.rollups.merged(snapshot, tools.span.first, tools.span.today)
    return (to_line(pair, moments) for pair, moments in found)


def _check_unmoved(tools: Tools, snapshot: sa.Connection, digests: Mapping[date, str]) -> None:
    """Readings that an export archived since would count twice: in the rollups and among those of Facts."""
    for day, digest in digests.items():
        if coverage(snapshot, tools.calendar.day(day)).digest != digest:
            raise Moved(f"An export moved readings of {day} before they were published: the next run tries again.")
