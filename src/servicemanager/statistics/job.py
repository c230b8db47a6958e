"""The job `statistics`: moments of archive and Facts become the table by which the gateway filters noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

import stamina

from servicemanager.archive.journal import Journal
from servicemanager.archive.proof import Stores
from servicemanager.config import Guard
from servicemanager.errors import DatabaseBusy
from servicemanager.iotdb.device_statistics import NAME, DeviceStatistics
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.rollups import Rollups
from servicemanager.jobs.job import JobContext, JobResult
from servicemanager.statistics.archived import count_archived, is_miscounted, put_together
from servicemanager.statistics.judge import Change, Decision, Kind
from servicemanager.statistics.live import sum_up
from servicemanager.statistics.publish import LISTED, Published, differences, publish
from servicemanager.statistics.tools import Moved, Span, Tools, Wishes

T = TypeVar("T")


@dataclass(frozen=True)
class StatisticsJob:
    """Sum up what changed, and publish; or, with `found`, tell the differences instead of publishing them."""

    database: Database
    facts: Facts
    zone: ZoneInfo
    datetime_zone: str
    stores: Stores | None
    wishes: Wishes
    #: Told what a publication would change.
    found: Callable[[Change], None] | None = None
    #: Told what was published, pair by pair where it is unfit.
    published: Callable[[Published], None] | None = None
    name: str = "statistics"
    lease_name: str = "job:statistics"

    def run(self, context: JobContext) -> JobResult:
        target = DeviceStatistics.open(self.database, self.datetime_zone)
        tools = self._tools(context)
        if self.wishes.rebuild:
            with self.database.transaction() as tx:
                context.lease.pass_fence(tx)
                tools.rollups.forget(tx)
        problems = count_archived(tools)
        if is_miscounted(tools) and not self.wishes.force:
            problems.append(f"{NAME} was left as it is: without those readings it would be wrong. See --force.")
            return JobResult(dict(context.counts), tuple(problems))
        put_together(tools)
        if self.found:
            return self._compare(tools, target, problems)
        return self._publish(tools, target, problems)

    def _tools(self, context: JobContext) -> Tools:
        calendar = self.facts.calendar(self.zone)
        with self.database.reading() as connection:
            today = calendar.day_of(self.database.now(connection))
        span = Span.of(today, self.wishes.days)
        journal, rollups = Journal(self.database), Rollups(self.database)
        return Tools(self.database, self.facts, calendar, journal, self.stores, rollups, self.wishes, span, context)

    def _publish(self, tools: Tools, target: DeviceStatistics, problems: list[str]) -> JobResult:
        done = _unmoved(lambda: publish(tools, target, sum_up(tools)))
        if self.published:
            self.published(done)
        counts = tools.context.counts
        if done.decision is Decision.SHRINKS:
            problems.append(
                f"{NAME} was left as it is: of its {done.before} rows {done.after} would remain. If that is meant, "
                "publish with --force."
            )
        else:
            counts.update(pairs_published=done.after)
        counts.update(pairs_unfit=done.judged.unfit_pairs)
        return JobResult(dict(counts), tuple(problems), tuple(_notices(done)))

    def _compare(self, tools: Tools, target: DeviceStatistics, problems: list[str]) -> JobResult:
        kinds = _unmoved(lambda: self._tell(tools, target))
        tools.context.counts.update({f"pairs_{kind}": number for kind, number in kinds.items()})
        return JobResult(dict(tools.context.counts), tuple(problems))

    def _tell(self, tools: Tools, target: DeviceStatistics) -> dict[Kind, int]:
        assert self.found is not None  # noqa: S101 -- `run` looked
        kinds = dict.fromkeys(Kind, 0)
        for change in differences(tools, target, sum_up(tools)):
            kinds[change.kind] += 1
            if change.kind is not Kind.SAME:
                self.found(change)
        return kinds


def _unmoved(attempt_it: Callable[[], T]) -> T:
    """Again, where an export was at work meanwhile: it changes a day or two, which are soon summed up anew."""
    for attempt in stamina.retry_context(on=(Moved, DatabaseBusy), attempts=8, timeout=None, wait_max=2.0):
        with attempt:
            return attempt_it()
    raise AssertionError  # the last attempt raises


def _notices(done: Published) -> Iterator[str]:
    if done.alike:
        yield (
            f"{done.alike} pairs of device and sensor were left out: the key of {NAME} takes their devices for others, "
            "whose names differ in case, accents or trailing blanks only."
        )
    unfit = done.judged.unfit_pairs
    if unfit:
        kept = "were published all the same (statistics.guard: report)"
        withheld = "were withheld, so the gateway does not filter them"
        become = kept if done.judged.tools.wishes.guard is Guard.REPORT else withheld
        listed = f"; the first {LISTED} are listed" if unfit > LISTED else ""
        yield f"{unfit} pairs of device and sensor are unfit for the gateway's filter and {become}{listed}."
