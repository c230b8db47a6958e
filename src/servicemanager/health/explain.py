"""Why a device counts as what it does, in a sentence with the numbers; pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from servicemanager.health.assess import Assessment, Horizon, Status


def explain(one: Assessment, horizon: Horizon, now: datetime) -> str:
    device, seen_at = one.device, one.device.seen_at
    silence, limit = _minutes(one.silence), _minutes(one.limit)
    late = sum(_minutes(gap.end_at - gap.start_at) for gap in horizon.gaps)
    aside = f" Outages of everything, {late} minutes of late, do not count." if late else ""
    heard = f"it was last heard {silence} minutes ago, and the limit is {limit} minutes.{aside}"
    if seen_at is None:
        heard = f"it was approved {silence} minutes ago, and has {limit} minutes to be heard first.{aside}"
    elif seen_at > now:
        heard = f"its last announcement lies in the future, at {seen_at:%Y-%m-%d %H:%M} UTC."
    because = {
        Status.FOREIGN: f"it announces itself, last {silence} minutes ago, and is not registered.",
        Status.WAITING: "it is registered without a group, so its silence alarms nobody.",
    }
    return f"{device.name} is {one.status}: {because.get(one.status, heard)}"


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds()) // 60
