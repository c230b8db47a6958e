"""The archive: its days as a calendar, and one day with the proof of each object."""

from __future__ import annotations

import shlex
from datetime import date, timedelta
from urllib.parse import unquote

from fastapi import APIRouter, Request, Response

from servicemanager.errors import NotFound
from servicemanager.web.charts.calendar import WEEKDAYS, calendar, years
from servicemanager.web.desk import Desk
from servicemanager.web.documents.archive import ArchiveDay, DayState, Proof
from servicemanager.web.gate.rights import Seeing
from servicemanager.web.pages.render import Frame, page

router = APIRouter(include_in_schema=False)
#: As many days as fill a year of whole weeks.
_LATEST = timedelta(days=52 * 7)


def span_of(days: tuple[ArchiveDay, ...], year: int | None, today: date) -> tuple[date, date]:
    """The first and the last day of the calendar: a year's, or the latest twelve months of the archive; pure."""
    if year:
        return date(year, 1, 1), date(year, 12, 31)
    last = max(today, days[-1].day) if days else today
    return last - _LATEST, last


def commands_of(proof: Proof) -> tuple[str, ...]:
    """What one types to see by oneself that an object is what the journal says; pure."""
    folder, _, name = proof.url.rpartition("/")
    if folder.startswith("file://"):
        fetch = f"cd {shlex.quote(unquote(folder.removeprefix('file://')) or '/')}"
    else:
        fetch = f"aws s3 cp {shlex.quote(proof.url)} ."
    return fetch, f"sha256sum {shlex.quote(name)}", f"duckdb -c \"SELECT count(*) FROM '{name}'\""  # noqa: S608 -- shown


@router.get("/archive")
def archive(request: Request, _: Seeing, year: int | None = None) -> Response:
    desk: Desk = request.app.state.desk
    frame: Frame = request.app.state.frame
    found = desk.archive()
    every = years(found.days)
    if year is not None and year not in {one.year for one in every}:
        raise NotFound(f"The archive holds nothing of {year}.")
    first, last = span_of(found.days, year, frame.now().astimezone(frame.zone).date())
    return page(
        request,
        "archive.html",
        found=found,
        years=every,
        year=year,
        chart=calendar(found.days, first, last),
        shown=[one for one in found.days if first <= one.day <= last],
        weekdays=WEEKDAYS,
        states=tuple(DayState),
    )


@router.get("/archive/{day}")
def archive_day(request: Request, day: date, _: Seeing) -> Response:
    desk: Desk = request.app.state.desk
    found = desk.archive_day(day)
    days = [one.day for one in desk.archive().days]
    before = max((one for one in days if one < day), default=None)
    after = min((one for one in days if one > day), default=None)
    commands = commands_of(found.proofs[0]) if found.proofs else ()
    return page(request, "archive-day.html", found=found, before=before, after=after, commands=commands)
