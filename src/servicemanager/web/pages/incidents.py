"""Incidents: the list, one of them, and silencing what it is about."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from servicemanager.errors import ConfigurationError
from servicemanager.web.desk import Desk
from servicemanager.web.documents.incidents import State
from servicemanager.web.gate.rights import Acting, Seeing
from servicemanager.web.pages import wishes
from servicemanager.web.pages.render import Frame, page

router = APIRouter(include_in_schema=False)
_UNTOUCHED = wishes.Form()


@router.get("/incidents")
def incidents(request: Request, _: Seeing, state: State = "open", after: str | None = None) -> Response:
    desk: Desk = request.app.state.desk
    found = desk.incidents(state, after, 50)
    return page(request, "incidents.html", found=found, state=state, after=after)


@router.get("/incidents/{number}")
def incident(request: Request, number: int, _: Seeing, after: str | None = None) -> Response:
    return _show(request, number, after)


@router.post("/incidents/{number}/silence")
def silence(request: Request, number: int, by: Acting, form: Annotated[wishes.Form, Form()]) -> Response:
    """Silence the whole of what the incident is about; a mistake is shown beside what was typed."""
    desk: Desk = request.app.state.desk
    frame: Frame = request.app.state.frame
    about = desk.incident(number, limit=1).silenceable
    form = form.model_copy(update={"target": about.target, "name": about.name})
    try:
        desk.add_silence(wishes.wish_of(form, frame.now(), frame.zone), by.name)
    except ConfigurationError as error:
        return _show(request, number, None, form, error.mistakes)
    return RedirectResponse(f"/incidents/{number}", 303)


def _show(
    request: Request,
    number: int,
    after: str | None,
    form: wishes.Form = _UNTOUCHED,
    mistakes: tuple[str, ...] = (),
) -> Response:
    desk: Desk = request.app.state.desk
    frame: Frame = request.app.state.frame
    morning = wishes.tomorrow_morning(frame.now(), frame.zone)
    return page(
        request,
        "incident.html",
        422 if mistakes else 200,
        incident=desk.incident(number, after),
        after=after,
        form=form,
        mistakes=mistakes,
        morning=morning,
        until=form.until or f"{morning.astimezone(frame.zone):%Y-%m-%dT%H:%M}",
    )
