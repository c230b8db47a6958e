"""The first page: what needs attention, who leads, the fleet, the readings, the jobs."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from servicemanager.web.charts.stack import fleet
from servicemanager.web.desk import Desk
from servicemanager.web.documents.overview import HeadCount, Overview, Urgency
from servicemanager.web.pages.render import page

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Part:
    """A status with its devices; `start` and `width` are percents of a bar."""

    status: str
    words: str
    #: Where the devices are listed.
    address: str
    devices: int
    start: float
    width: float


#: The platform's statuses, in words that say what each counts.
_KINDS = (
    ("normal", "heard within 5 minutes", "/devices"),
    ("warning", "heard 5 to 15 minutes ago", "/devices"),
    ("fail", "not heard for longer", "/devices?sort=seen"),
    ("unknown", "never heard", "/devices?status=never+seen"),
    ("waiting_approve", "waiting for approval", "/devices?status=waiting+for+approval"),
)


def parts_of(counts: HeadCount) -> tuple[Part, ...]:
    """The latest head count as a bar; pure."""
    numbers = [getattr(counts, status) for status, *_ in _KINDS]
    whole = sum(numbers) or 1
    return tuple(
        Part(status, words, address, number, 100 * sum(numbers[:index]) / whole, 100 * number / whole)
        for index, ((status, words, address), number) in enumerate(zip(_KINDS, numbers, strict=True))
    )


def look_of(overview: Overview) -> str:
    """The tone of the page: 'ok', 'look' or 'wrong'; pure."""
    urgencies = {one.urgency for one in overview.attention}
    if Urgency.WRONG in urgencies:
        return "wrong"
    return "look" if urgencies else "ok"


def first_page(request: Request) -> Response:
    """`GET /` of a browser."""
    desk: Desk = request.app.state.desk
    overview = desk.overview()
    latest = overview.fleet[-1] if overview.fleet else None
    return page(
        request,
        "overview.html",
        overview=overview,
        look=look_of(overview),
        latest=latest,
        parts=parts_of(latest) if latest else (),
        chart=fleet(overview.fleet, request.app.state.frame.zone),
    )


router.get("/")(first_page)
