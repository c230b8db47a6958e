"""What people read: one message for all the news of a check, short enough for a phone; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from servicemanager.alerts.decide import Change, Decision, Reason
from servicemanager.alerts.incident import DAY, Ending, Member, Told
from servicemanager.alerts.text import ascii_subject, bounded, clock, counted, lasting, many, plain
from servicemanager.health.assess import Assessment
from servicemanager.health.findings import FLEET_SUBJECT, FOREIGN_SUBJECT

OLD_SUBJECT = "Operational Report of Devices"
OLD_FIRST_LINE = "Report of devices in warning or fail status: "
_NUMBERS = 3


@dataclass(frozen=True, slots=True)
class Message:
    """One plain-text message."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What a report needs besides the news."""

    now: datetime
    zone: ZoneInfo
    #: Devices by group.
    sizes: Mapping[str, int]
    repeat: timedelta
    next_check_at: datetime | None = None

    def clock(self, at: datetime) -> str:
        return clock(at, self.now, self.zone)


def compose(news: Sequence[Decision], scene: Scene) -> Message:
    """The message for `news`, which is not empty and stored, so that every incident has its number."""
    # The fleet's own trouble first, then what became worse, then what became better.
    ordered = sorted(news, key=lambda d: (d.incident.subject != FLEET_SUBJECT, _ORDER[d.reason], d.incident.subject))
    lines = [line for decision in ordered for line in _paragraph(decision, scene)]
    subject = ascii_subject(_headline(ordered, scene), f" ({_numbers(ordered)})")
    return Message(subject, bounded(lines, len(lines), _outlook(ordered, scene)))


_ORDER = {Reason.OPENED: 0, Reason.WORSENED: 1, Reason.REMINDER_DUE: 2, Reason.RECOVERED: 3}


def _numbers(news: Sequence[Decision]) -> str:
    shown = ", ".join(f"#{decision.incident.number}" for decision in news[:_NUMBERS])
    return shown if len(news) <= _NUMBERS else f"{shown} and {counted(len(news) - _NUMBERS)} more"


def _headline(news: Sequence[Decision], scene: Scene) -> str:
    """Like '2 shops down, 5 boards silent, 3 recovered'."""
    parts = [_fleet_line(d, scene) for d in news if d.incident.subject == FLEET_SUBJECT]
    number: Counter[str] = Counter()
    for decision in news:
        if decision.incident.subject != FLEET_SUBJECT:
            number.update(_kinds(decision, scene))
    words = (
        (number["shops"], many(number["shops"], "shop") + " down"),
        (number["boards"], many(number["boards"], "board") + " silent"),
        (number["flapping"], many(number["flapping"], "board") + " flapping"),
        (number["foreign"], many(number["foreign"], "foreign device")),
        (number["up"], f"{counted(number['up'])} recovered"),
        (number["still"], f"{counted(number['still'])} still silent"),
    )
    return ", ".join([*parts, *(text for amount, text in words if amount)])


def _kinds(decision: Decision, scene: Scene) -> Iterator[str]:
    """A word for each member that is news; a shop that is down as a whole is one."""
    if decision.reason is Reason.REMINDER_DUE:
        yield from ("still" for member in decision.incident.members.values() if member.told is Told.DOWN)
        return
    down = [key for key, change in decision.changes.items() if change is Change.DOWN]
    whole = down and is_whole_shop(decision, scene)
    if decision.incident.subject == FOREIGN_SUBJECT:
        yield from ("foreign" for _ in down)
    else:
        yield from ["shops"] if whole else ("boards" for _ in down)
    for change in decision.changes.values():
        if change is not Change.DOWN:
            yield "flapping" if change is Change.FLAPPING else "up"


def is_whole_shop(decision: Decision, scene: Scene) -> bool:
    """Whether every board of the group, and more than one, is silent."""
    silent = [member for member in decision.incident.members.values() if not member.ended]
    return len(silent) > 1 and len(silent) >= scene.sizes.get(silent[0].group, 0)


def _fleet_line(decision: Decision, scene: Scene) -> str:
    (member,) = decision.incident.members.values()
    since = scene.clock(member.since_at)
    if not member.ended:
        still = "still " if decision.reason is Reason.REMINDER_DUE else ""
        return f"{still}nothing has been heard from any device since {since}"
    until = scene.clock(member.better_at or scene.now)
    return f"devices are heard again since {until}, after nothing since {since}"


def _paragraph(decision: Decision, scene: Scene) -> Iterator[str]:
    number = f"Incident #{decision.incident.number}."
    if decision.incident.subject == FLEET_SUBJECT:
        line = _fleet_line(decision, scene)
        down = next(iter(decision.incident.members.values())).ended is None
        blame = ": the gateway or the network is down. No device is reported before contact is back." if down else "."
        yield f"{line[0].upper()}{line[1:]}{blame} {number}"
        return
    members = decision.incident.members
    told = {key: members[key] for key in decision.changes}
    if decision.reason is Reason.REMINDER_DUE:
        told = {key: member for key, member in members.items() if member.told is Told.DOWN}
    yield f"{_title(decision, scene)} {number}"
    for key, member in sorted(told.items(), key=lambda item: (item[1].since_at, item[0])):
        yield f"  {_line(member, decision.changes.get(key, Change.DOWN), scene)}"


def _title(decision: Decision, scene: Scene) -> str:
    silent = [member for member in decision.incident.members.values() if not member.ended]
    if decision.incident.subject == FOREIGN_SUBJECT:
        return f"Foreign devices: {many(len(silent), 'device announces itself', 'devices announce themselves')}."
    name = next(iter(decision.incident.members.values())).group
    group, size = plain(name), max(len(silent), scene.sizes.get(name, 0))
    if not silent:
        return f"{group}: no board is silent any more."
    still = "still " if decision.reason is Reason.REMINDER_DUE else ""
    since = scene.clock(min(member.since_at for member in silent))
    which = f"all {counted(size)}" if len(silent) == size > 1 else f"{counted(len(silent))} of {counted(size)}"
    return f"{group}: {which} {'board' if size == 1 else 'boards'} {still}silent since {since}."


def _line(member: Member, change: Change, scene: Scene) -> str:
    name = plain(member.name)
    if change is Change.FLAPPING:
        times = sum(at > scene.now - DAY for at in member.opened)
        return f"{name}: flapping, {times} times silent within a day; not told again until it calms down"
    if member.ended is Ending.GONE:
        return f"{name}: no longer registered, was silent since {scene.clock(member.since_at)}"
    if member.ended:
        back_at = member.better_at or scene.now
        was = f"was silent for {lasting(back_at - member.since_at)}"
        return f"{name}: back since {scene.clock(back_at)}, {was}" + (
            "; it has calmed down" if change is Change.CALM else ""
        )
    lasts = lasting(scene.now - member.since_at)
    word = {"silent": "last heard", "never seen": "never seen, registered", "foreign": "heard"}[member.trouble]
    version = f", firmware {plain(member.version)}" if member.version else ""
    return f"{name}: {word} {scene.clock(member.since_at)}, {lasts} ago{version}"


def _outlook(news: Sequence[Decision], scene: Scene) -> str:
    """What happens next, and when."""
    check = f"The next check is at {scene.clock(scene.next_check_at)}. " if scene.next_check_at else ""
    lasting_ones = any(not m.ended for d in news for m in d.incident.members.values())
    promise = (
        f"You are told when this changes, and again after {lasting(scene.repeat)} if it does not."
        if lasting_ones
        else "Nothing more is expected of you."
    )
    return f"\n{check}{promise}"


def old_report(silent: Iterable[Assessment], now: datetime) -> Message:
    """The Node version's report: whole minutes since each device was last heard of."""
    lines = [
        f"{plain(a.device.name)}: {int((now - a.device.seen_at).total_seconds()) // 60} minutes. "
        for a in silent
        if a.device.seen_at
    ]
    return Message(OLD_SUBJECT, bounded([OLD_FIRST_LINE, *lines], len(lines) + 1))
