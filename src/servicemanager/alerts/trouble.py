"""Trouble of any kind but the devices': an overdue job, a full disk, a missing partition.

A caller finds what is wrong now, and says which subjects it answers for::

    engine = Troubles(database, channel_names, Policy(repeat=...), zone)
    overdue = Finding("job:export", "The export is overdue", "The job export should have run at 02:00: run it with ...")
    decisions = engine.settle([overdue], Scope(prefixes=("job:",)))

Whatever is found opens an incident or goes on with it, is told when it is new and again after `Policy.repeat`; what
was open within the scope and is found no more is over, which is told if the trouble was. Each incident is one
transaction that holds its message too, by the database's clock alone and by compare-and-swap: of two instances one
tells, and a call that is killed and made again neither loses nor repeats a word. Where nothing is new nothing is
written. `Delivery` sends what the transactions put into the outbox; nothing is sent here. Silences of the target
`subject` hold, and what is still true when they end is told then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from servicemanager.alerts.decide import SPOKEN, Change, Decision, Reason, decide
from servicemanager.alerts.incident import DAY, Member, Observation, Policy, Right, Scope, Wrong, advance
from servicemanager.alerts.outbox import Outbox
from servicemanager.alerts.silence import Silenced
from servicemanager.alerts.silences import load_silences
from servicemanager.alerts.store import load_incidents, open_subjects, save_decisions
from servicemanager.alerts.text import ascii_subject, bounded, clock, lasting, plain
from servicemanager.errors import DatabaseBusy
from servicemanager.iotdb.engine import Database

_LONGEST_SUBJECT, _LONGEST_TITLE = 190, 255
#: The one member of each incident.
_KEY = "trouble"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong now.

    `subject` is its key, like `job:export`: up to 190 characters. `title` goes into the subject of the message, and
    is remembered for its end; `sentences` say what is wrong and what helps. Both may hold names, which are data.
    `since_at` is since when, where that is known better than by when it was first found.
    """

    subject: str
    title: str
    sentences: str
    since_at: datetime | None = None

    def __post_init__(self) -> None:
        # The database takes 'a' and 'a ' for the same.
        if not 0 < len(self.subject) <= _LONGEST_SUBJECT or self.subject != self.subject.strip():
            raise ValueError(f"no key of a subject: {self.subject!r}")


@dataclass(frozen=True)
class Troubles:
    """The engine; `channels` are the names of those that messages go to, `zone` is that of the times in them."""

    database: Database
    channels: Sequence[str]
    policy: Policy
    zone: ZoneInfo

    def settle(self, findings: Iterable[Finding], scope: Scope) -> list[Decision]:
        """Bring every incident within `scope` up to `findings`, at most one of each subject, and tell the news.

        Returns what was decided of each incident, with the reason; one that another instance is just at is left to
        it, and to the next call. Raises ValueError for a finding out of scope.
        """
        found = {finding.subject: finding for finding in findings}
        if strangers := [subject for subject in found if not scope.covers(subject)]:
            raise ValueError(f"out of scope: {strangers}")
        with self.database.reading() as connection:
            subjects = found.keys() | open_subjects(connection, scope)
        decided = (self._settle(subject, found.get(subject)) for subject in sorted(subjects))
        return [decision for decision in decided if decision]

    def _settle(self, subject: str, finding: Finding | None) -> Decision | None:
        try:
            with self.database.transaction() as tx:
                return self._decide(tx, subject, finding)
        except DatabaseBusy:
            return None

    def _decide(self, tx: sa.Connection, subject: str, finding: Finding | None) -> Decision | None:
        now = self.database.now(tx)
        before = load_incidents(tx, now, Scope(frozenset({subject})))
        after = advance(before, {_KEY: _observed(subject, finding, now)}, now)
        if not after:
            return None
        silenced = Silenced.at(load_silences(tx), now, self.zone)
        decided = [decide(incident, silenced.covers, now, self.policy) for incident in after]
        (decision,) = save_decisions(tx, before, decided, now)
        if decision.reason in SPOKEN:
            title, body = compose(decision, finding, self.policy, now, self.zone)
            Outbox(self.database).put(tx, self.channels, title, body, now)
        return decision


def _observed(subject: str, finding: Finding | None, now: datetime) -> Observation:
    if finding is None:
        return Right(now, settle=now - now, subject=subject, group="")
    return Wrong(finding.title[:_LONGEST_TITLE], subject, "", finding.since_at or now, "")


def compose(
    decision: Decision, finding: Finding | None, policy: Policy, now: datetime, zone: ZoneInfo
) -> tuple[str, str]:
    """Subject and body for news of an incident that is stored, so that it has its number."""
    (member,) = decision.incident.members.values()
    title, number = finding.title if finding else member.name, decision.incident.number
    prefix = {Reason.RECOVERED: "over: ", Reason.REMINDER_DUE: "still: "}.get(decision.reason, "")
    lines = [plain(line) for line in (finding.sentences if finding else f"{title}: that is over.").splitlines()]
    tail = f"\n{_outlook(member, decision.changes.get(member.key), policy, now, zone)} Incident #{number}."
    return ascii_subject(prefix + title, f" (#{number})"), bounded(lines, len(lines), tail)


def _outlook(member: Member, change: Change | None, policy: Policy, now: datetime, zone: ZoneInfo) -> str:
    since, lasts = clock(member.since_at, now, zone), lasting(now - member.since_at)
    if change is Change.FLAPPING:
        times = sum(at > now - DAY for at in member.opened)
        return f"It came {times} times within a day, last at {since}: you are told again once it has calmed down."
    if change is Change.CALM:
        return "It came and went, and has calmed down."
    if change is Change.UP:
        return f"It lasted for {lasts}, since {since}."
    return (
        f"It lasts since {since}, for {lasts}. You are told when it is over, and again after {lasting(policy.repeat)} "
        "if it is not."
    )
