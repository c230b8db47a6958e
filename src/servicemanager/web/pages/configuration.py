"""The settings in force: what each is, where it came from, what it means."""

from __future__ import annotations

from itertools import groupby

from fastapi import APIRouter, Request, Response

from servicemanager.web.desk import Desk
from servicemanager.web.documents.configuration import Setting
from servicemanager.web.gate.rights import SeeingConfiguration
from servicemanager.web.pages.render import page

router = APIRouter(include_in_schema=False)
_DEFAULT = "default"


def is_default(setting: Setting) -> bool:
    return setting.origin == _DEFAULT


def section_of(setting: Setting) -> str:
    """The part of the key before the last dot; 'general' without one."""
    return setting.key.rpartition(".")[0] or "general"


@router.get("/configuration")
def configuration(request: Request, _: SeeingConfiguration, only: str = "", search: str = "") -> Response:
    """`only=changed` leaves the defaults out; `search` is any part of a key, a variable or a meaning."""
    desk: Desk = request.app.state.desk
    found = desk.configuration()
    wanted = [one for one in found.settings if _matches(one, search) and not (only == "changed" and is_default(one))]
    return page(
        request,
        "configuration.html",
        configuration=found,
        sections=[(name, list(group)) for name, group in groupby(wanted, section_of)],
        shown=len(wanted),
        changed=sum(not is_default(one) for one in found.settings),
        only=only,
        search=search,
    )


def _matches(setting: Setting, search: str) -> bool:
    words = search.lower().split()
    text = " ".join((setting.key, setting.meaning, *setting.variables)).lower()
    return all(word in text for word in words)
