"""Silences: those in force and to come, adding one, ending one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from servicemanager.alerts.silence import Target
from servicemanager.errors import ConfigurationError
from servicemanager.web.desk import Desk
from servicemanager.web.gate.rights import Acting, Seeing
from servicemanager.web.pages import wishes
from servicemanager.web.pages.render import Frame, page

router = APIRouter(include_in_schema=False)


@router.get("/silences")
def silences(request: Request, _: Seeing, target: Target = Target.GROUP, name: str = "") -> Response:
    """`target` and `name` fill in the form: other pages link here with what they are about."""
    return _show(request, wishes.Form(target=target, name=name[:190]))


@router.post("/silences")
def add(request: Request, by: Acting, form: Annotated[wishes.Form, Form()]) -> Response:
    """A mistake is shown beside what was typed."""
    desk: Desk = request.app.state.desk
    frame: Frame = request.app.state.frame
    try:
        desk.add_silence(wishes.wish_of(form, frame.now(), frame.zone), by.name)
    except ConfigurationError as error:
        return _show(request, form, error.mistakes)
    return RedirectResponse("/silences", 303)


@router.post("/silences/{number}/end")
def end(request: Request, number: int, by: Acting) -> Response:
    desk: Desk = request.app.state.desk
    desk.end_silence(number, by.name)
    return RedirectResponse("/silences", 303)


def _show(request: Request, form: wishes.Form, mistakes: tuple[str, ...] = ()) -> Response:
    desk: Desk = request.app.state.desk
    frame: Frame = request.app.state.frame
    morning = wishes.tomorrow_morning(frame.now(), frame.zone)
    return page(
        request,
        "silences.html",
        422 if mistakes else 200,
        silences=desk.silences(),
        targets=tuple(Target),
        form=form,
        mistakes=mistakes,
        morning=morning,
        until=form.until or f"{morning.astimezone(frame.zone):%Y-%m-%dT%H:%M}",
    )
