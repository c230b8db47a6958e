"""A desk without a database: what the pages and the API are tried on, in any state a service may be in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from servicemanager.errors import ConfigurationError, DatabaseUnreachable, LeaseHeld, NotFound
from servicemanager.jobs.job import Outcome
from servicemanager.web.desk import Desk
from servicemanager.web.documents.archive import Calendar, DayDetail
from servicemanager.web.documents.configuration import Configuration
from servicemanager.web.documents.devices import Device, DeviceDetail, Devices, Query, Sort
from servicemanager.web.documents.document import Page
from servicemanager.web.documents.incidents import AddSilence, Incident, IncidentDetail, Silence, State
from servicemanager.web.documents.jobs import Asked, Job, Run
from servicemanager.web.documents.overview import (
    Attention,
    Figures,
    Instance,
    Master,
    Overview,
    Readings,
    Staging,
    Undelivered,
    Urgency,
)
from support import desk_fleet, desk_work

T = TypeVar("T")
#: When tests that compare what they see let the time stand.
NOW = datetime(2026, 11, 24, 11, 42, 7, tzinfo=UTC)


class Mood(StrEnum):
    """What state the service is in."""

    BUSY = "busy"  # two shops down, a failed export, a run at work
    CALM = "calm"  # all is well
    EMPTY = "empty"  # just installed: no device, no archive, no run
    LOST = "lost"  # the database can't be reached


class SampleDesk:
    """Implements Desk in memory. `clock` tells the time; runs that are started take `takes`."""

    def __init__(
        self,
        mood: Mood = Mood.BUSY,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        takes: timedelta = timedelta(seconds=40),
    ) -> None:
        self.mood, self.clock, self.takes = mood, clock, takes
        now = clock()
        self._began = now
        self._devices = () if mood is Mood.EMPTY else desk_fleet.devices(now)
        self._incidents = () if mood is Mood.EMPTY else desk_fleet.incidents(now)
        self._silences = list(desk_fleet.silences(now)) if mood is Mood.BUSY else []
        self._runs = [] if mood is Mood.EMPTY else desk_work.runs(now)
        self._days = () if mood is Mood.EMPTY else desk_work.archive_days(now)
        if mood is Mood.BUSY:
            self._runs.insert(0, desk_work.started("statistics", None, now - 0.3 * takes, 41_000))
        if mood is Mood.CALM:
            self._incidents = tuple(one for one in self._incidents if one.closed_at)
            self._runs = [run for run in self._runs if run.outcome is Outcome.DONE]
            up = {"status": desk_fleet.Status.NORMAL, "seen_at": now, "silent_seconds": 0.0}
            self._devices = tuple(d.model_copy(update=up) for d in self._devices if d.group)

    def _answer(self) -> datetime:
        if self.mood is Mood.LOST:
            raise DatabaseUnreachable(
                "The database db1.shops.example:3306 can't be reached (Connection refused): is it running, and may "
                "this machine connect to it?"
            )
        return self.clock()

    def overview(self, age: float = 0.0) -> Overview:
        now = self._answer()
        attention = tuple(self._attention())
        archive = self.archive()
        fleet = desk_fleet.fleet(now) if self._devices else ()
        return Overview(
            now=now,
            master=Master(
                holder="shops-a:4711",
                instance="shops-a",
                term=12,
                lease_expires_at=now + self.takes,
                since_at=now - timedelta(days=3),
            ),
            here=Instance(role="MASTER", answer="MASTER"),
            mirror=Instance(role="SLAVE", answer="SLAVE") if self._devices else None,
            jobs=self.jobs(),
            incidents=tuple(_brief(one) for one in reversed(self._incidents) if one.closed_at is None),
            undelivered=Undelivered(messages=1, oldest_at=now - timedelta(minutes=7)) if attention else _nothing(),
            figures=self._figures(now) if self._devices else None,
            problems=tuple(one.sentence for one in attention),
            summary=_summary(attention, bool(fleet)),
            attention=attention,
            fleet=fleet,
            readings=Readings(
                in_database=71_204_318 if fleet else 0, archived=archive.rows, archived_bytes=archive.size
            ),
        )

    def _attention(self) -> Sequence[Attention]:
        if self.mood is not Mood.BUSY:
            return ()
        wrong, look = Urgency.WRONG, Urgency.WORTH_A_LOOK
        return (
            Attention(urgency=wrong, sentence="3 shops are silent: 5 devices.", page="/incidents"),
            Attention(urgency=wrong, sentence="The job export failed at its last run.", page="/jobs/export"),
            Attention(urgency=look, sentence="1 message has not been delivered for 7 minutes.", page="/incidents"),
            Attention(
                urgency=look, sentence="5 devices wait for approval.", page="/devices?status=waiting+for+approval"
            ),
        )

    def _figures(self, now: datetime) -> Figures:
        return Figures(
            measured_at=now - timedelta(minutes=2),
            cutoff=now.replace(hour=3, minute=0, second=0, microsecond=0) - timedelta(days=9),
            rows_past_retention=6_120_000 if self.mood is Mood.BUSY else 0,
            oldest_row_at=now - timedelta(days=10, hours=8),
            archived_at=now - timedelta(days=1, hours=9),
            verified_at=now - timedelta(days=1),
            staging=Staging(host="shops-a", free_bytes=41 << 30, days_until_full=None),
        )

    def devices(self, query: Query) -> Devices:
        self._answer()
        found = [device for device in self._devices if _matches(device, query)]
        keys: dict[Sort, Callable[[Device], tuple[object, ...]]] = {
            Sort.NAME: lambda d: (d.name,),
            Sort.GROUP: lambda d: (d.group or "", d.name),
            Sort.SEEN: lambda d: (-d.silent_seconds, d.name),
        }
        found.sort(key=keys[query.sort])
        part = _page(found, query.after, query.limit)
        return Devices(items=part.items, next=part.next, registered=len(self._devices))

    def device(self, name: str) -> DeviceDetail:
        now = self._answer()
        device = _found([d for d in self._devices if d.name == name], f"There is no device {name!r}.")
        its = tuple(_brief(one) for one in self._incidents if name in {m.name for m in one.members.items})
        silences = tuple(one for one in self._silences if one.name in {device.name, device.group, device.type})
        return desk_fleet.detail(device, silences, its[:20], now)

    def incidents(self, state: State, after: str | None = None, limit: int = 50) -> Page[Incident]:
        self._answer()
        wanted = {"open": {True}, "closed": {False}, "all": {True, False}}[state]
        return _page([_brief(one) for one in self._incidents if (one.closed_at is None) in wanted], after, limit)

    def incident(self, number: int, after: str | None = None, limit: int = 100) -> IncidentDetail:
        self._answer()
        one = _found([one for one in self._incidents if one.number == number], f"There is no incident #{number}.")
        silences = tuple(s for s in self._silences if s.in_force and s.name == one.silenceable.name)
        return one.model_copy(update={"silences": silences})

    def silences(self) -> tuple[Silence, ...]:
        self._answer()
        return tuple(self._silences)

    def add_silence(self, asked: AddSilence, by: str) -> Silence:
        now = self._answer()
        if asked.ends_at and asked.ends_at <= now:
            raise ConfigurationError("A silence must end in the future.")
        span = timedelta(seconds=asked.seconds or 0)
        silence = Silence(
            number=max((one.number for one in self._silences), default=0) + 1,
            target=asked.target,
            name=asked.name,
            reason=asked.reason,
            starts_at=now,
            ends_at=None if asked.cron else asked.ends_at or now + span,
            cron=asked.cron,
            duration_seconds=asked.seconds if asked.cron else None,
            in_force=not asked.cron,
            by=by,
        )
        self._silences.insert(0, silence)
        return silence

    def end_silence(self, number: int, by: str) -> None:
        self._answer()
        self._silences.remove(
            _found([one for one in self._silences if one.number == number], f"There is no silence {number}.")
        )

    def archive(self, age: float = 0.0) -> Calendar:
        self._answer()
        return desk_work.calendar(self._days, configured=self.mood is not Mood.EMPTY)

    def archive_day(self, day: date) -> DayDetail:
        self._answer()
        one = _found([one for one in self._days if one.day == day], f"The archive holds nothing of {day}.")
        return DayDetail(**one.model_dump(), proofs=desk_work.proofs(one))

    def jobs(self) -> tuple[Job, ...]:
        return tuple(self.job(name) for name in desk_work.JOB_NAMES)

    def job(self, name: str) -> Job:
        now = self._answer()
        if name not in desk_work.JOB_NAMES:
            raise NotFound(f"There is no job {name!r}.")
        wanted = self.mood is not Mood.EMPTY or name != "export"
        return desk_work.job(name, list(self.runs(name).items), now, wanted=wanted)

    def runs(self, job: str | None = None, after: str | None = None, limit: int = 50) -> Page[Run]:
        now = self._answer()
        if job is not None and job not in desk_work.JOB_NAMES:
            raise NotFound(f"There is no job {job!r}.")
        found = [desk_work.as_of(run, now, self.takes) for run in self._runs if job in {None, run.job}]
        return _page(found, after, limit)

    def run(self, number: int) -> Run:
        now = self._answer()
        run = _found([one for one in self._runs if one.run == number], f"There is no run {number}.")
        return desk_work.as_of(run, now, self.takes)

    def start_job(self, name: str, by: str) -> Asked:
        last = self.job(name).last
        if last and last.outcome is Outcome.RUNNING:
            raise LeaseHeld(f"The job {name} is at work already, as run {last.run}.")
        number = max((run.run for run in self._runs), default=0) + 1
        self._runs.insert(0, desk_work.started(name, by, self.clock(), number))
        return Asked(job=name, asked_by=by, previous_run=last.run if last else None)

    def configuration(self) -> Configuration:
        return desk_work.configuration()


_IS_A_DESK: type[Desk] = SampleDesk


def _summary(attention: Sequence[Attention], counted: bool) -> str:
    if not counted:
        return "All is well: no device is registered yet, and every job is on time."
    if not attention:
        return "All is well: 1 501 of 1 502 devices are heard of, and every job is on time."
    return f"{attention[0].sentence} And {len(attention) - 1} more things to look at."


def _nothing() -> Undelivered:
    return Undelivered(messages=0, oldest_at=None)


def _brief(one: IncidentDetail) -> Incident:
    return Incident(**{name: getattr(one, name) for name in Incident.model_fields})


def _matches(device: Device, query: Query) -> bool:
    wanted = ((query.group, device.group), (query.type, device.type), (query.status, device.status))
    begins = device.name.startswith(query.search) or (device.group or "").startswith(query.search)
    return begins and all(asked is None or asked == its for asked, its in wanted)


def _found(candidates: Sequence[T], otherwise: str) -> T:
    if not candidates:
        raise NotFound(otherwise)
    return candidates[0]


def _page(found: Sequence[T], after: str | None, limit: int) -> Page[T]:
    """A cursor is a plain offset here."""
    if after is not None and not after.isdigit():
        raise ConfigurationError("after is none of ours: take it from `next`.")
    start = int(after or 0)
    more = start + limit < len(found)
    return Page(items=tuple(found[start : start + limit]), next=str(start + limit) if more else None)
