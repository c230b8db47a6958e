"""Devices: the list of a fleet of any size, and one of them with its sensors."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from servicemanager.errors import ConfigurationError
from servicemanager.health.assess import Status
from servicemanager.web.charts.band import band
from servicemanager.web.desk import Desk
from servicemanager.web.documents.devices import Devices, Query, Sort
from servicemanager.web.gate.rights import Seeing
from servicemanager.web.pages.render import page

router = APIRouter(include_in_schema=False)
EVERYTHING = Query.model_validate({})
NOTHING = Devices(items=(), next=None, registered=None)
#: What each order is called.
SORTS = {Sort.NAME: "by name", Sort.GROUP: "by group", Sort.SEEN: "the longest silent first"}


def query_of(fields: Mapping[str, str]) -> Query:
    """What an address or a form asks for; an empty field asks for nothing. Raises ConfigurationError."""
    asked = {name: text for name, text in fields.items() if name in Query.model_fields and text.strip()}
    try:
        return Query.model_validate(asked)
    except ValidationError as error:
        wrong = sorted({str(one["loc"][0]) for one in error.errors()})
        raise ConfigurationError(
            *(f"Devices can't be listed by this {field}: choose it on the page." for field in wrong)
        ) from error


def address_of(query: Query, **changes: object) -> str:
    """The address of the list with something else asked for; the first part of it, unless `after` is among that."""
    asked = query.model_dump(exclude_defaults=True, mode="json") | {"after": None} | changes
    return "/devices?" + urlencode({name: value for name, value in asked.items() if value not in {None, ""}})


@router.get("/devices")
def devices(request: Request, _: Seeing) -> Response:
    """What can't be asked for is told on the page itself, where it can be asked for otherwise."""
    desk: Desk = request.app.state.desk
    query, found = EVERYTHING, NOTHING
    mistakes: tuple[str, ...] = ()
    try:
        query = query_of(request.query_params)
        found = desk.devices(query)
    except ConfigurationError as error:
        mistakes = error.mistakes
    return page(
        request,
        "devices.html",
        422 if mistakes else 200,
        found=found,
        query=query,
        mistakes=mistakes,
        address=lambda **changes: address_of(query, **changes),
        statuses=tuple(Status),
        sorts=SORTS,
    )


@router.get("/devices/{name:path}")
def device(request: Request, name: str, _: Seeing) -> Response:
    """A name may hold anything, slashes too."""
    desk: Desk = request.app.state.desk
    found = desk.device(name)
    charts = [(sensor, band(sensor)) for sensor in found.sensors]
    return page(request, "device.html", device=found, charts=charts)
