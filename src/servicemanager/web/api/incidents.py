"""Incidents and silences."""

from __future__ import annotations

from fastapi import APIRouter, Response

from servicemanager.errors import NotFound
from servicemanager.web.api.endpoints import After, AtDesk, Limit, Number, problems
from servicemanager.web.documents.document import Page
from servicemanager.web.documents.incidents import AddSilence, Incident, IncidentDetail, Silence, State
from servicemanager.web.gate.rights import Acting

router = APIRouter(tags=["incidents and silences"])

_NO_SILENCE = "There is no silence of that number that is in force or still to come."


@router.get("/incidents", summary="Incidents, the newest first")
def incidents(desk: AtDesk, state: State = "open", after: After = None, limit: Limit = 50) -> Page[Incident]:
    return desk.incidents(state, after, limit)


@router.get(
    "/incidents/{number}",
    summary="One incident, with a part of its members",
    responses=problems(s404="There is no incident of that number on record."),
)
def incident(number: Number, desk: AtDesk, after: After = None, limit: Limit = 100) -> IncidentDetail:
    return desk.incident(number, after, limit)


@router.get("/silences", summary="Silences that are in force or still to come")
def silences(desk: AtDesk) -> Page[Silence]:
    return Page[Silence](items=desk.silences(), next=None)


@router.get("/silences/{number}", summary="One silence", responses=problems(s404=_NO_SILENCE))
def silence(number: Number, desk: AtDesk) -> Silence:
    found = next((each for each in desk.silences() if each.number == number), None)
    if found is None:
        raise NotFound(f"There is no silence {number} that is in force or still to come.")
    return found


@router.post(
    "/silences",
    status_code=201,
    summary="Tell nobody for a while",
    responses=problems(s400="What was sent is no JSON.", s413="More than 64 KiB were sent."),
)
def add_silence(asked: AddSilence, desk: AtDesk, by: Acting, response: Response) -> Silence:
    """What is true at its end is told then."""
    added = desk.add_silence(asked, by.name)
    response.headers["Location"] = f"/api/v1/silences/{added.number}"
    return added


@router.delete("/silences/{number}", status_code=204, summary="End a silence", responses=problems(s404=_NO_SILENCE))
def end_silence(number: Number, desk: AtDesk, by: Acting) -> None:
    """What is true then is told at the next check."""
    desk.end_silence(number, by.name)
