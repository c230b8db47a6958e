"""One check of the fleet: what the database tells, what it means, and what is to be said. Decides; sends nothing.

Everything that is decided is one transaction: incidents, messages and the guard's memory change together or not at
all, and by the database's clock alone. So a check that is killed, or comes twice, or on another machine, neither loses
nor repeats a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from servicemanager.alerts.decide import SPOKEN, Decision, decide
from servicemanager.alerts.incident import Incident, Observation, Policy, advance
from servicemanager.alerts.outbox import Outbox
from servicemanager.alerts.silence import Silenced
from servicemanager.alerts.silences import load_silences
from servicemanager.alerts.store import load_incidents, save_decisions
from servicemanager.health import findings, report
from servicemanager.health.assess import Assessment, Gap, Horizon, Limits, assess
from servicemanager.health.guard import ODD, Heard, View, Watch, look
from servicemanager.iotdb.devices import Devices, group_sizes
from servicemanager.iotdb.engine import Database, read_meta, write_meta

_WATCH = "health_watch"


@dataclass(frozen=True)
class Rules:
    """The settings of a check."""

    limits: Limits
    zone: ZoneInfo
    policy: Policy = field(default_factory=Policy)
    back_after: timedelta = timedelta(minutes=5)
    grace: timedelta = timedelta(minutes=10)
    foreign: bool = False
    #: Send the Node version's whole list at every check, in place of news.
    always: bool = False
    #: When to look again, as a cron pattern; only told.
    cron: str | None = None


@dataclass(frozen=True)
class Seen:
    """What a check found."""

    now: datetime
    view: View
    alarming: tuple[Assessment, ...]
    before: tuple[Incident, ...]
    after: tuple[Incident, ...]


@dataclass(frozen=True)
class Checked:
    """What a check decided: every decision with its reason, and the message, if there is one."""

    seen: Seen
    decisions: tuple[Decision, ...]
    message: report.Message | None


@dataclass(frozen=True)
class Check:
    """Looks and decides; `channels` are the names of those that get the message."""

    database: Database
    devices: Devices
    rules: Rules
    channels: Sequence[str]

    def look(self, connection: sa.Connection) -> Seen:
        """Find what is wrong. Changes nothing."""
        # Whole seconds, as the platform writes them.
        now = self.database.now(connection).replace(microsecond=0)
        view, latest_at = self._view(connection, now)
        limits = self.rules.limits
        suspects = self.devices.fetch_suspects(connection, view.horizon.at - limits.shortest, now)
        assessed = (assess(device, view.horizon, limits) for device in suspects)
        alarming = tuple(one for one in assessed if one.is_alarming)
        before = tuple(load_incidents(connection, now, findings.SCOPE))
        observed = self._observe(connection, alarming, before, view, now)
        observed |= findings.observe_fleet(view, latest_at, now)
        if self.rules.foreign:
            foreign = self.devices.fetch_foreign(connection, now - limits.general, now)
            observed |= findings.observe_foreign(foreign, before, now)
        return Seen(now, view, alarming, before, tuple(advance(before, observed, now)))

    def decide(self, connection: sa.Connection, seen: Seen) -> list[Decision]:
        silenced = Silenced.at(load_silences(connection), seen.now, self.rules.zone)
        return [decide(incident, silenced.covers, seen.now, self.rules.policy) for incident in seen.after]

    def run(self, tx: sa.Connection) -> Checked:
        """Look, decide and write it down, in the caller's transaction. Raises DatabaseBusy where another was first."""
        seen = self.look(tx)
        decisions = self.decide(tx, seen)
        write_meta(tx, _WATCH, seen.view.watch.to_json())
        numbered = save_decisions(tx, seen.before, decisions, seen.now)
        message = self._message(tx, seen, [decision for decision in numbered if decision.reason in SPOKEN])
        if message:
            Outbox(self.database).put(tx, self.channels, message.subject, message.body, seen.now)
        return Checked(seen, tuple(numbered), message)

    def horizon(self, connection: sa.Connection, now: datetime) -> Horizon:
        """Up to when silence is measured, as far as that is known without reading every device's last contact.

        While nothing is heard at all, that is what the last check found.
        """
        stored = read_meta(connection, _WATCH)
        if stored is None:
            return Horizon(now)
        watch = Watch.from_json(stored)
        if self.devices.recent_contact(connection, now - ODD, now):
            quiet = (Gap(watch.quiet_since, watch.checked_at),) if watch.quiet_since else ()
            return Horizon(now, (*watch.gaps, *quiet))
        return Horizon(watch.quiet_since or watch.checked_at, watch.gaps)

    def _view(self, connection: sa.Connection, now: datetime) -> tuple[View, datetime | None]:
        stored = read_meta(connection, _WATCH)
        watch = Watch.from_json(stored) if stored else None
        limits, latest_at = self.rules.limits, self.devices.recent_contact(connection, now - ODD, now)
        latest_at = latest_at or self.devices.latest_contact(connection, now)
        first_at, fleet = None, 0
        if watch and watch.quiet_since:
            first_at = self.devices.first_contact_after(connection, watch.quiet_since, now)
        if latest_at and now - latest_at >= ODD:
            fleet = self.devices.count_heard(connection, latest_at - limits.general, latest_at)
        heard = Heard(now, latest_at, first_at, fleet)
        keep = limits.longest + timedelta(days=1)
        return look(watch, heard, limits.shortest, self.rules.grace, keep), latest_at

    def _observe(
        self,
        connection: sa.Connection,
        alarming: Sequence[Assessment],
        before: Sequence[Incident],
        view: View,
        now: datetime,
    ) -> dict[str, Observation]:
        known = findings.known_members(before)
        still = {findings.device_key(one.device.name) for one in alarming}
        found = self.devices.fetch(connection, (name for key, name in known.items() if key not in still), now)
        return findings.observe_devices(alarming, known, found, view, self.rules.back_after)

    def _message(self, tx: sa.Connection, seen: Seen, news: Sequence[Decision]) -> report.Message | None:
        if self.rules.always:
            silent = sorted((one for one in seen.alarming if one.device.seen_at), key=lambda one: one.device.name)
            return report.old_report(silent, seen.now) if silent else None
        return report.compose(news, self._scene(tx, seen, news)) if news else None

    def _scene(self, tx: sa.Connection, seen: Seen, news: Sequence[Decision]) -> report.Scene:
        # Asked for only when there is something to say: it reads every registration.
        groups = {member.group for decision in news for member in decision.incident.members.values() if member.group}
        sizes = group_sizes(tx, groups)
        next_check_at = _next(self.rules.cron, seen.now, self.rules.zone) if self.rules.cron else None
        return report.Scene(seen.now, self.rules.zone, sizes, self.rules.policy.repeat, next_check_at)


def _next(cron: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    from cronsim import CronSim

    at = next(CronSim(cron, now.astimezone(zone)), None)
    return at.astimezone(UTC) if at else None
