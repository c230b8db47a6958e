"""Devices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from servicemanager.web.api.endpoints import AtDesk, problems
from servicemanager.web.documents.devices import DeviceDetail, Devices
from servicemanager.web.documents.devices import Query as Wanted

router = APIRouter(tags=["devices"])


@router.get("/devices", summary="Devices, a part at a time")
def devices(wanted: Annotated[Wanted, Query()], desk: AtDesk) -> Devices:
    """A part may hold fewer devices than were asked for, even none, and still not be the last: `next` says whether.

    Names are compared byte by byte. Among more than 5,000 devices, those that are silent or were never seen are as the
    last check of the devices found them; `sort=seen` lists these alone, and `sort=group` is refused for all others.
    """
    return desk.devices(wanted)


@router.get(
    "/devices/{name:path}",
    summary="One device",
    responses=problems(s404="No device of that name is registered or has announced itself."),
)
def device(name: Annotated[str, Path(examples=["02:04:C9:00:00:0E"])], desk: AtDesk) -> DeviceDetail:
    """Its name may hold any characters, percent-encoded."""
    return desk.device(name)
