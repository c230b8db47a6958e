"""Whatever happens to boards, gateway, channel, database and runs: no notice is lost, repeated, or false."""

from __future__ import annotations

import re
import tempfile
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from servicemanager.alerts.incident import Policy
from servicemanager.alerts.outbox import Outbox
from servicemanager.alerts.store import load_incidents
from servicemanager.health.assess import Limits
from servicemanager.health.check import Check
from servicemanager.health.findings import SCOPE
from servicemanager.iotdb.sqlite import open_sqlite
from support.fleet import DOWN, Platform

BOARDS = [f"{shop}{n}" for shop in "ABC" for n in range(3)]
LIMIT, STEP = timedelta(minutes=60), timedelta(minutes=10)
WORD = re.compile(r"^  (\w\d): (last heard|back since|flapping)", re.MULTILINE)


class Killed(Exception):
    """The run ended here."""


class Fleet(RuleBasedStateMachine):
    """Time passes in steps of ten minutes; a board that is up announces itself while the gateway is up."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.platform = Platform(open_sqlite(Path(self._folder.name) / "iotdb.sqlite"))
        self.platform.with_rules(limits=Limits(LIMIT), policy=Policy(repeat=timedelta(days=365)))
        self.dead: set[str] = set()
        self.gateway = True

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

    @rule(up=st.booleans())
    def the_gateway(self, up: bool) -> None:
        self.gateway = up

    @rule(up=st.booleans())
    def the_channel(self, up: bool) -> None:
        self.platform.pigeon.failure = None if up else DOWN

    @rule(steps=st.integers(1, 9), checks=st.booleans())
    def time_passes(self, steps: int, checks: bool) -> None:
        for _ in range(steps):
            self.platform.clock.now += STEP
            self._contacts()
            if checks:
                self.platform.check()
                self.platform.deliver()

    @rule(after=st.sampled_from(["decision", "commit", "claim"]))
    def a_run_is_killed(self, after: str) -> None:
        self.platform.clock.now += STEP
        self._contacts()
        platform = self.platform
        if after == "decision":
            with suppress(Killed), platform.database.transaction() as tx:
                Check(platform.database, platform.devices, platform.rules, [platform.pigeon.name]).run(tx)
                raise Killed
            return
        platform.check()
        if after == "claim":
            Outbox(platform.database).claim()

    def _contacts(self) -> None:
        if self.gateway:
            up = [board for board in BOARDS if board not in self.dead]
            self.platform.announce(up, self.platform.clock.now - timedelta(seconds=20))

    def _told(self) -> dict[str, list[str]]:
        told: dict[str, list[str]] = {}
        for _, body in self.platform.pigeon.sent:
            for board, word in WORD.findall(body):
                told.setdefault(board, []).append(word)
        return told

    @invariant()
    def nothing_is_told_twice_and_no_up_comes_without_its_down(self) -> None:
        for board, words in self._told().items():
            assert all(one != other for one, other in pairwise(words)), (board, words)
            assert words[0] != "back since", (board, words)

    @invariant()
    def no_board_that_was_never_dead_is_told_of(self) -> None:
        assert "A0" not in self._told()

    def teardown(self) -> None:
        """In the end all goes well for long enough: everything that was decided has arrived, every down has its up."""
        platform = self.platform
        platform.pigeon.failure, self.gateway = None, True
        for _ in range(10):
            self.time_passes(1, checks=True)
        told = self._told()
        for board in self.dead:
            assert told.get(board, [""])[-1] in {"last heard", "flapping"}, (board, told.get(board))
        self.dead.clear()
        for _ in range(3 + 24 * 6):
            self.time_passes(1, checks=True)
        for board, words in self._told().items():
            assert words[-1] == "back since", (board, words)
        with platform.database.reading() as connection:
            assert not [i for i in load_incidents(connection, platform.clock.now, SCOPE) if not i.closed_at]
        platform.database.close()
        self._folder.cleanup()


TestFleet = Fleet.TestCase
TestFleet.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
