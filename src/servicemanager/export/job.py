"""The job `export`: old readings into the archive and, once that is proven, out of the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from servicemanager.archive import marker
from servicemanager.archive.ahead import begun
from servicemanager.archive.journal import Journal
from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.proof import Stores
from servicemanager.export.detach import Detaching, drop_emptied, settle_all
from servicemanager.export.pace import Throttle
from servicemanager.export.plan import ExportPlan, Hold, Purge
from servicemanager.export.planning import Due, Sources, Wishes, count_due, make_plan
from servicemanager.export.preflight import check_column
from servicemanager.export.staging import failing_in, sweep
from servicemanager.export.tools import LEASE_NAME, SLICE_ROWS, Tools
from servicemanager.export.work import Tally, execute
from servicemanager.iotdb.engine import Database, database_uuid, read_meta, write_meta
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.rollups import Rollups
from servicemanager.jobs.job import JobContext, JobResult

#: In sm_meta: the store that was last found to let objects be overwritten.
_OVERWRITABLE = "store_overwrites"


@dataclass(frozen=True)
class ExportJob:
    """One export; `plan` alone is a dry run."""

    database: Database
    facts: Facts
    store: ObjectStore
    #: Opens the store at a root URL that objects of an earlier configuration lie under.
    open_elsewhere: Callable[[str], ObjectStore]
    staging: Path
    wishes: Wishes
    csv: bool = False
    slice_rows: int = SLICE_ROWS
    ahead: bool = True
    #: Seconds that never go back, by which a run keeps to its pace and its hours.
    clock: Callable[[], float] = time.monotonic
    name: str = "export"
    lease_name: str = LEASE_NAME

    def plan(self) -> ExportPlan:
        """What a run would do now. Changes nothing."""
        due = self._count_due()
        claim = marker.look(self.store, database_uuid(self.database))
        with self.database.reading() as connection:
            overwritable = read_meta(connection, _OVERWRITABLE) == self.store.url
        return self._plan(marker.Claim.OVERWRITABLE if overwritable else claim, due)

    def run(self, context: JobContext) -> JobResult:
        tools = self.tools(context)
        with failing_in(self.staging):
            sweep(self.staging, tools.uuid)
        check_column(self.database, self.facts, tools.journal)
        throttle = tools.throttle
        asked_at = throttle.clock()
        with self.database.reading() as connection:
            now = self.database.now(connection)
        due = self._count_due()
        claim, tally = self._claim(tools), Tally(context.counts, [], [])
        plan = self._plan(claim, due)
        if plan.pace.opens_at:
            return self._wait(plan, tally)
        if plan.pace.closes_at:
            throttle.closes_at = asked_at + (plan.pace.closes_at - now).total_seconds()
        if settle_all(tools, tally, purge=plan.purge is Purge.YES):
            plan = self._plan(claim, self._count_due())  # which lacked the rows that were detached
        if plan.purge is Purge.YES:
            self.facts.check_delete()
        tally.problems += _problems(plan)
        tally.notices += plan.notices
        execute(tools, plan, tally, Detaching(tools, tally))
        if plan.purge is Purge.YES and "rows_left" not in tally.counts:
            drop_emptied(tools, plan.cutoff, tally)
        return JobResult(dict(tally.counts), tuple(tally.problems), tuple(tally.notices))

    def _wait(self, plan: ExportPlan, tally: Tally) -> JobResult:
        tally.problems += _problems(plan)
        tally.notices += plan.notices
        tally.counts.update(rows_left=plan.rows)
        tally.notices.append(
            f"Nothing was done, for export.window is {plan.pace.hours}: the next run within it does the work, "
            "or `servicemanager export --now` at once."
        )
        return JobResult(dict(tally.counts), tuple(tally.problems), tuple(tally.notices))

    def _claim(self, tools: Tools) -> marker.Claim:
        """Also remembers, for a dry run, a store that lets objects be overwritten: only trying tells."""
        claim = marker.claim(self.store, tools.uuid)
        overwritable = self.store.url if claim is marker.Claim.OVERWRITABLE else ""
        with self.database.transaction() as tx:
            tools.context.lease.pass_fence(tx)
            if (read_meta(tx, _OVERWRITABLE) or "") != overwritable:
                write_meta(tx, _OVERWRITABLE, overwritable)
        return claim

    def _count_due(self) -> Callable[[], Due]:
        """The server counts while the archive is opened and looked at."""
        count = partial(count_due, self.database, self.facts, self.wishes)
        return begun(count) if self.ahead else count

    def _plan(self, claim: marker.Claim, due: Callable[[], Due]) -> ExportPlan:
        sources = Sources(self.database, self.facts, Journal(self.database), self.store)
        return make_plan(sources, claim, self.wishes, due())

    def tools(self, context: JobContext) -> Tools:
        throttle = Throttle(self.wishes.max_rows_per_second, stop=context.stop, clock=self.clock)
        return Tools(
            database=self.database,
            facts=self.facts,
            journal=Journal(self.database),
            rollups=Rollups(self.database),
            stores=Stores(self.store, self.open_elsewhere),
            uuid=database_uuid(self.database),
            staging=self.staging,
            zone=self.wishes.zone,
            csv=self.csv,
            context=context,
            slice_rows=min(self.slice_rows, throttle.piece_rows or self.slice_rows),
            throttle=throttle,
            ahead=self.ahead,
        )


def _problems(plan: ExportPlan) -> list[str]:
    """What the plan could not take on, although it was asked to."""
    problems = [
        f"{held.what}: {held.rows} rows stay: {held.reason}." for held in plan.held if held.reason != Hold.MAX_ROWS
    ]
    if plan.purge in {Purge.STORE_OVERWRITES, Purge.EXTRA_COLUMNS}:
        problems.append(f"{plan.purge.value[0].upper()}{plan.purge.value[1:]}.")
    return problems
