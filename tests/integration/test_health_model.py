"""Whatever happens to boards, gateway, channel, database and runs: no notice is lost, late, repeated, or false."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from servicemanager.alerts.incident import Member, Policy, Told
from servicemanager.alerts.store import load_incidents
from servicemanager.errors import DatabaseUnreachable, ServiceManagerError
from servicemanager.health.assess import Limits
from servicemanager.health.findings import SCOPE
from servicemanager.health.lost_database import LostDatabase
from servicemanager.iotdb import tables
from servicemanager.iotdb.sqlite import open_sqlite
from support.fleet import DOWN, ZONE, Pigeon, Platform

BOARDS = [f"{shop}{n}" for shop in "ABC" for n in range(3)]
LIMIT, STEP, GRACE = timedelta(minutes=60), timedelta(minutes=10), timedelta(minutes=10)
#: A dead board is told by its limit and one run; after what went wrong otherwise, by the grace and one run besides.
DEADLINE = LIMIT + STEP + GRACE + STEP
WORD = re.compile(r"^  (\w\d): (last heard|back since|flapping)", re.MULTILINE)
TOLD = {"last heard": Told.DOWN, "flapping": Told.FLAPPING, "back since": Told.NOTHING}
#: Things work more often than not: otherwise no outage would be the only one, and nothing would ever be due.
UP = st.sampled_from([True, True, False])
GONE = DatabaseUnreachable("The database is gone.")


class Killed(ServiceManagerError):
    """The run ended here."""


@dataclass
class Bird(Pigeon):
    """A run may end right before it takes a message, and right after."""

    step: Callable[[], None] = field(default=lambda: None)

    def send(self, subject: str, body: str) -> str:
        self.step()
        answer = super().send(subject, body)
        self.step()
        return answer


class Fleet(RuleBasedStateMachine):
    """Time passes in steps of ten minutes; one that is up announces itself every other one, or as soon as it can."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        database = open_sqlite(Path(self._folder.name) / "iotdb.sqlite")
        self.platform = Platform(database, pigeon=Bird(step=self._step))
        self.platform.with_rules(limits=Limits(LIMIT), policy=Policy(repeat=timedelta(days=365)), grace=GRACE)
        self.lost = LostDatabase(Path(self._folder.name) / "lost.json", ZONE)
        self.dead: set[str] = set()
        self.gateway = self.database = True
        #: When each board was last dead, and for how long it is, while all else went well.
        self.dead_at = dict.fromkeys(BOARDS, self.platform.clock.now - timedelta(days=9))
        self.dead_for = dict.fromkeys(BOARDS, timedelta())
        self.steps, self.left = 0, -1
        #: In which step each board last announced itself: not all in the same.
        self.announced = {board: -(number % 2) for number, board in enumerate(BOARDS)}
        self.due_is_delivered = False
        sa.event.listen(database.engine, "before_cursor_execute", self._step)
        sa.event.listen(database.engine, "commit", self._step)

    def _step(self, *_: object) -> None:
        """Something that a run does; the last one where no more are left."""
        if self.left == 0:
            raise Killed
        self.left -= 1

    @initialize()
    def begin(self) -> None:
        for shop in "ABC":
            self.platform.register(f"shop {shop}", *(b for b in BOARDS if b.startswith(shop)))
        self.platform.announce(BOARDS)
        self.platform.check()

    @rule(board=st.sampled_from(BOARDS[1:]))
    def a_board_dies(self, board: str) -> None:
        if len(self.dead) < 5:
            self.dead.add(board)

    @rule(board=st.sampled_from(BOARDS[1:]))
    def a_board_comes_back(self, board: str) -> None:
        self.dead.discard(board)

    @rule(up=UP)
    def the_gateway(self, up: bool) -> None:
        self.gateway = up

    @rule(up=UP)
    def the_channel(self, up: bool) -> None:
        self.platform.pigeon.failure = None if up else DOWN

    @rule(up=UP)
    def the_database(self, up: bool) -> None:
        self.database = up

    @rule(steps=st.integers(1, 18))
    def time_passes(self, steps: int) -> None:
        for _ in range(steps):
            self._pass_time()
            self._run()

    @rule(steps=st.integers(1, 20))
    def nobody_looks(self, steps: int) -> None:
        for _ in range(steps):
            self._pass_time()
        self._went_wrong()

    @rule(after=st.integers(0, 60))
    def a_run_is_killed(self, after: int) -> None:
        self._pass_time()
        self.left = after
        self._run()
        self.left = -1
        self._went_wrong()

    def _pass_time(self) -> None:
        self.platform.clock.now += STEP
        self.steps += 1
        for board in self.dead:
            self.dead_at[board] = self.platform.clock.now
        if self.gateway and self.database:
            due = [b for b in BOARDS if b not in self.dead and self.steps - self.announced[b] > 1]
            self.platform.announce(due, self.platform.clock.now - timedelta(seconds=20))
            self.announced |= dict.fromkeys(due, self.steps)
        for board in BOARDS:
            self.dead_for[board] = self.dead_for[board] + STEP if board in self.dead else timedelta()
        if not (self.gateway and self.database):
            self._went_wrong()

    def _went_wrong(self) -> None:
        self.dead_for = dict.fromkeys(BOARDS, timedelta())

    def _run(self) -> None:
        """One run of the job, as the command does it."""
        self.due_is_delivered = False
        if not self.database:
            self.lost.tell([self.platform.pigeon], GONE, self.platform.clock.now)
            return
        try:
            self.lost.tell_end(self.platform.database)
            self.platform.check()
            self.platform.deliver()
            self.due_is_delivered = self.platform.pigeon.failure is None
        except Killed:
            self.left = -1

    def _letters(self) -> list[sa.Row]:
        with self.platform.database.reading() as connection:
            return list(connection.execute(sa.select(tables.outbox).order_by(tables.outbox.c.id)))

    def _members(self) -> dict[str, Member]:
        with self.platform.database.reading() as connection:
            incidents = load_incidents(connection, self.platform.clock.now, SCOPE)
        return {m.name: m for i in incidents if not i.closed_at for m in i.members.values()}

    @invariant()
    def what_was_decided_is_told_once_and_is_what_the_incidents_say(self) -> None:
        words: dict[str, list[str]] = {}
        for row in self._letters():
            for board, word in WORD.findall(row.body):
                words.setdefault(board, []).append(word)
        members = self._members()
        for board in BOARDS:
            said = words.get(board, [])
            assert all(one != other for one, other in pairwise(said)), (board, said)
            assert said[:1] != ["back since"], (board, said)
            told = members[board].told if board in members else Told.NOTHING
            assert told is (TOLD[said[-1]] if said else Told.NOTHING), (board, said, told)

    @invariant()
    def no_message_is_lost(self) -> None:
        for row in self._letters():
            assert row.delivered_at is None or (row.subject, row.body) in self.platform.pigeon.sent
            if self.due_is_delivered:
                assert row.delivered_at or row.due_at > self.platform.clock.now, row.subject

    @invariant()
    def a_board_that_is_dead_is_told_by_its_deadline(self) -> None:
        members = self._members()
        late = [board for board, span in self.dead_for.items() if span > DEADLINE]
        for board in late:
            assert board in members, (board, self.dead_for[board])
            assert members[board].told is not Told.NOTHING, board

    @invariant()
    def no_board_is_blamed_for_an_outage_of_something_else(self) -> None:
        for board, member in self._members().items():
            if board in self.dead_at and not member.ended and not member.better_at:
                assert self.dead_at[board] > member.since_at, board

    @invariant()
    def the_loss_of_the_database_is_told_once(self) -> None:
        losses = sum("can't be reached" in subject for subject, _ in self.platform.pigeon.sent)
        # An end may wait in the outbox when the next loss is told, and be decided twice where a run was killed.
        assert losses <= 1 + sum("can be reached again" in row.subject for row in self._letters())

    def teardown(self) -> None:
        """In the end all goes well for long enough: everything that was decided has arrived, every down has its up."""
        platform = self.platform
        platform.pigeon.failure, self.gateway, self.database = None, True, True
        self.dead.clear()
        for _ in range(6 + 24 * 6):
            self._pass_time()
            self._run()
        assert not self._members()
        assert all(row.delivered_at for row in self._letters())
        subjects = [subject for subject, _ in platform.pigeon.sent]
        assert any("can be reached again" in subject for subject in subjects) == any(
            "can't be reached" in subject for subject in subjects
        )
        platform.database.close()
        self._folder.cleanup()


TestFleet = Fleet.TestCase
TestFleet.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
