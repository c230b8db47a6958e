"""What charts say of their marks, and of numbers that are no counts; pure."""

from __future__ import annotations

from datetime import date, datetime, tzinfo

from jinja2 import pass_context
from jinja2.runtime import Context

from servicemanager.web.charts.stack import STATUSES, total
from servicemanager.web.documents.archive import ArchiveDay
from servicemanager.web.documents.devices import SensorDay
from servicemanager.web.documents.overview import HeadCount
from servicemanager.web.pages.formats import SPACE, count, day, many, size


def decimal(value: float) -> str:
    """Four digits that matter, and none that are 0 for nothing: '21.47', '0.0038', '125 000'."""
    if abs(value) >= 1000:  # noqa: PLR2004 -- from here on the digits before the point are enough
        return f"{value:,.0f}".replace(",", SPACE)
    return f"{value:.4g}"


def month(value: date) -> str:
    """'Jan 2026' where a year begins, else 'Feb'."""
    return f"{value:%b %Y}" if value.month == 1 else f"{value:%b}"


@pass_context
def instant(context: Context, at: datetime) -> str:
    """'24 Nov 2026 08:42', by the clock on the wall of the service's zone."""
    return _wall(at, context["zone"])


def _wall(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %Y %H:%M}"


@pass_context
def head_count(context: Context, counted: HeadCount) -> str:
    """Line by line, without the statuses that no device has."""
    lines = [f"{count(getattr(counted, key))} {words}" for key, words in reversed(STATUSES) if getattr(counted, key)]
    return "\n".join([_wall(counted.at, context["zone"]), *(lines if total(counted) else ["no device"])])


def sensor_day(its: SensorDay, above: bool) -> str:
    """Line by line."""
    lines = [
        day(its.day),
        many(its.readings, "reading"),
        f"mean {decimal(its.mean)} ± {decimal(its.deviation)}",
        f"from {decimal(its.least)} to {decimal(its.greatest)}",
    ]
    return "\n".join([*lines, *(["some above the limit: thrown away"] if above else [])])


def archive_day(its: ArchiveDay) -> str:
    """'Tue 24 Nov 2026: 6 400 000 rows, 19.2 MB, purged, verified'."""
    verified = ", verified" if its.verified_at else ""
    return f"{day(its.day)}: {many(its.rows, 'row')}, {size(its.size)}, {its.state}{verified}"


FILTERS = {
    "decimal": decimal,
    "month": month,
    "instant": instant,
    "head_count": head_count,
    "sensor_day": sensor_day,
    "archive_day": archive_day,
}
