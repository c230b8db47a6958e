"""How the service is, its archive, and its settings."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path

from servicemanager.web.api.endpoints import AtDesk, problems
from servicemanager.web.documents.archive import Calendar, DayDetail
from servicemanager.web.documents.configuration import Configuration
from servicemanager.web.documents.overview import Overview
from servicemanager.web.gate.rights import SeeingConfiguration

router = APIRouter(tags=["service"])


@router.get("/overview", summary="What needs attention, and how everything is")
def overview(desk: AtDesk) -> Overview:
    """At most a few seconds old."""
    return desk.overview()


@router.get("/archive", summary="Every day of the archive")
def archive(desk: AtDesk) -> Calendar:
    return desk.archive()


@router.get(
    "/archive/{day}",
    summary="One day of the archive, with the proof of each object",
    responses=problems(s404="Nothing that arrived on that local day was planned to be archived."),
)
def archive_day(day: Annotated[date, Path(examples=["2026-11-20"])], desk: AtDesk) -> DayDetail:
    return desk.archive_day(day)


@router.get("/configuration", summary="The settings in force, secrets masked, and where each came from")
def configuration(desk: AtDesk, _: SeeingConfiguration) -> Configuration:
    """Works without the database. Guests do not see it."""
    return desk.configuration()
