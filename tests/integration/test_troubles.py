"""Trouble of any kind, through the same engine as the devices': what people are told of it, and what not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from servicemanager.alerts.decide import Decision, Reason
from servicemanager.alerts.incident import Policy, Scope
from servicemanager.alerts.outbox import Outbox
from servicemanager.alerts.silence import Silence, Target
from servicemanager.alerts.silences import add_silence
from servicemanager.alerts.standing import fetch_standing
from servicemanager.alerts.trouble import Finding, Troubles
from servicemanager.errors import ServiceManagerError
from servicemanager.iotdb import tables
from servicemanager.iotdb.engine import Database
from support.fleet import ZONE, HandClock, Platform, clocked
from support.leases import lease_database

JOBS, DISKS = Scope(prefixes=("job:",)), Scope(prefixes=("disk:",))
OVERDUE = Finding("job:export", "The export is overdue", "The job export should have run at 02:00: look at its log.")
FULL = Finding("disk:staging", "The staging folder is nearly full", "3 % are free: make room.")
FIRST = "The export is overdue (#1)"


@dataclass
class Desk:
    """An engine whose clock a test moves, and what it wrote."""

    database: Database
    clock: HandClock = field(default_factory=HandClock)
    policy: Policy = field(default_factory=lambda: Policy(flapping=2))

    def settle(self, *findings: Finding, scope: Scope = JOBS, minutes: float = 10) -> list[Decision]:
        self.clock.now += timedelta(minutes=minutes)
        return Troubles(clocked(self.database, self.clock), ["pigeon"], self.policy, ZONE).settle(findings, scope)

    def reasons(self, *findings: Finding, **how) -> list[Reason]:
        return [decision.reason for decision in self.settle(*findings, **how)]

    def rows(self, table: sa.Table) -> list[sa.Row]:
        with self.database.reading() as connection:
            return list(connection.execute(sa.select(table).order_by(table.c.id)))

    @property
    def told(self) -> list[str]:
        return [row.subject for row in self.rows(tables.outbox)]

    def silence(self, subject: str, ends_at: datetime) -> None:
        with self.database.transaction() as tx:
            add_silence(tx, Silence(Target.SUBJECT, subject, "works", self.clock.now, ends_at))


@pytest.fixture(params=["sqlite", "mariadb"])
def desk(request, tmp_path) -> Iterator[Desk]:
    with lease_database(request, tmp_path) as database:
        yield Desk(database)


def test_a_trouble_is_told_once_again_after_a_day_and_when_it_is_over(desk):
    assert desk.reasons() == []
    assert desk.reasons(OVERDUE) == [Reason.OPENED]
    assert desk.reasons(OVERDUE) == [Reason.NOTHING_NEW]
    assert desk.reasons(OVERDUE, minutes=24 * 60) == [Reason.REMINDER_DUE]
    assert desk.reasons(OVERDUE) == [Reason.NOTHING_NEW]
    assert desk.reasons() == [Reason.RECOVERED]
    assert desk.reasons() == []
    assert desk.told == [FIRST, f"still: {FIRST}", f"over: {FIRST}"]
    first, _, last = (row.body for row in desk.rows(tables.outbox))
    assert first == (
        f"{OVERDUE.sentences}\n\nIt lasts since 09:20, for 0 min. You are told when it is over, and again after 1 d if "
        "it is not. Incident #1."
    )
    assert last == ("The export is overdue: that is over.\n\nIt lasted for 1 d, since 2026-11-20 09:20. Incident #1.")


def test_a_call_in_which_nothing_is_new_writes_nothing(desk):
    desk.settle(OVERDUE)
    before = desk.rows(tables.incident), desk.rows(tables.outbox)
    desk.settle(Finding(OVERDUE.subject, "Other words", "And other sentences."))
    assert (desk.rows(tables.incident), desk.rows(tables.outbox)) == before


def test_a_caller_ends_only_troubles_that_it_answers_for(desk):
    desk.settle(OVERDUE)
    desk.settle(FULL, scope=DISKS)
    assert desk.reasons(scope=DISKS) == [Reason.RECOVERED]
    assert desk.reasons(scope=Scope(frozenset({"job:exports", "job"}))) == []
    assert desk.reasons(scope=Scope(frozenset({"job:export"}))) == [Reason.RECOVERED]
    with pytest.raises(ValueError, match="out of scope"):
        desk.settle(FULL, scope=JOBS)


def test_a_check_of_the_devices_leaves_other_troubles_alone(desk):
    platform = Platform(desk.database)
    platform.register("shop 1", "A", "B")
    platform.announce(["A"])
    desk.settle(OVERDUE)
    desk.clock.now = platform.clock.now
    assert platform.pass_time(26 * 60, ["A", "B"]) == [FIRST]
    assert desk.reasons(OVERDUE, minutes=27 * 60) == [Reason.REMINDER_DUE]


def test_a_trouble_that_comes_and_goes_is_told_once_until_it_calms_down(desk):
    for _ in range(4):
        desk.settle(OVERDUE)
        desk.settle()
    desk.settle(minutes=25 * 60)
    assert desk.told[4:] == ["The export is overdue (#3)", "over: The export is overdue (#3)"]
    assert [row.body.splitlines()[2] for row in desk.rows(tables.outbox)[4:]] == [
        "It came 3 times within a day, last at 09:50: you are told again once it has calmed down. Incident #3.",
        "It came and went, and has calmed down. Incident #3.",
    ]


def test_what_is_still_true_when_a_silence_ends_is_told_then_and_what_is_over_never(desk):
    for subject in ("job:export", "job:devices"):
        desk.silence(subject, desk.clock.now + timedelta(minutes=25))
    late = Finding("job:devices", "The check of the devices is overdue", "Look at its log.")
    assert desk.reasons(OVERDUE, late) == [Reason.SILENCED] * 2
    assert desk.reasons(OVERDUE) == [Reason.NOTHING_NEW, Reason.SILENCED]
    assert desk.reasons(OVERDUE) == [Reason.OPENED]
    assert desk.told == ["The export is overdue (#2)"]


def test_of_instances_that_find_the_same_at_once_one_tells(request, tmp_path):
    request.param = "mariadb"
    with lease_database(request, tmp_path) as database:
        desk = Desk(database)
        for findings in ([OVERDUE], []):
            with ThreadPoolExecutor(6) as pool:
                list(pool.map(lambda _, found=findings: desk.settle(*found, minutes=0), range(6)))
        assert desk.told == [FIRST, f"over: {FIRST}"]
        assert len(desk.rows(tables.incident)) == 1


class Killed(ServiceManagerError):
    """The process ended here."""


def test_killed_at_any_statement_and_called_again_it_tells_everything_once(desk):
    title = OVERDUE.title
    for findings, expected in (([OVERDUE], [title]), ([], [title, f"over: {title}"])):
        reached = 0
        while True:
            left = iter(range(reached))

            def die(*_, left=left) -> None:
                if next(left, None) is None:
                    raise Killed

            sa.event.listen(desk.database.engine, "before_cursor_execute", die)
            try:
                desk.settle(*findings)
                break
            except Killed:
                reached += 1
            finally:
                sa.event.remove(desk.database.engine, "before_cursor_execute", die)
            assert len(desk.told) == len(expected) - 1
        assert reached >= 4
        # A transaction that was rolled back may have used up a number.
        assert [subject.partition(" (#")[0] for subject in desk.told] == expected


def test_names_in_a_finding_are_data_and_the_number_is_never_cut_off(desk):
    desk.settle(Finding("job:export", "a\r\nBcc: b " * 30, "line\x1b[31m\n" * 100_000))
    (row,) = desk.rows(tables.outbox)
    assert (len(row.subject), row.subject.endswith("... (#1)")) == (100, True)
    assert row.subject.isprintable()
    assert len(row.body.encode()) < 256 * 1024
    assert "\x1b" not in row.body
    assert row.body.endswith(" Incident #1.")


@pytest.mark.parametrize("key", ["", "x" * 191, "disk:a "])
def test_a_key_that_the_database_could_not_tell_from_others_is_refused(key):
    with pytest.raises(ValueError, match="no key"):
        Finding(key, "t", "s")


def test_what_stands_is_listed_with_titles_and_the_age_of_the_oldest_message(desk):
    platform = Platform(desk.database, clock=desk.clock)
    platform.register("shop 1207", "A", "B", "C")
    platform.register("shop 9", *"DEFG")
    platform.announce("ABCDEFG")
    assert fetch_standing(platform.database).undelivered == Outbox(platform.database).undelivered()
    assert fetch_standing(platform.database).incidents == ()
    platform.pass_time(60, "DEFG")
    desk.clock.now += timedelta(minutes=10)
    platform.announce("DEFG")
    platform.check()
    desk.settle(OVERDUE, minutes=5)
    desk.clock.now += timedelta(minutes=2)
    standing = fetch_standing(platform.database)
    assert [(one.number, one.subject, one.title) for one in standing.incidents] == [
        (1, "group/shop 1207/silent", "shop 1207: 3 silent"),
        (2, "job:export", "The export is overdue"),
    ]
    assert (standing.undelivered.count, standing.undelivered.age) == (2, timedelta(minutes=7))
    assert standing.incidents[1].opened_at == desk.clock.now - timedelta(minutes=2)
