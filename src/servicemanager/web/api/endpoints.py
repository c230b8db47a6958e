"""What all endpoints have in common: where the desk is, what their parameters accept, and how they may answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request

from servicemanager.web.api.problems import MEDIA_TYPE, Problem
from servicemanager.web.desk import Desk

_LARGEST = (1 << 63) - 1


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk)]
Number = Annotated[int, Path(ge=1, le=_LARGEST)]
JobName = Annotated[str, Path(examples=["devices"])]
After = Annotated[
    str | None, Query(max_length=2048, description="What the part before said as `next`; without it, the beginning.")
]
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]


def problems(**described: str) -> dict[int | str, dict[str, Any]]:
    """What an endpoint may answer besides, such as `s404="There is no such device."`."""
    return {int(status[1:]): _problem(words) for status, words in described.items()}


def _problem(words: str) -> dict[str, Any]:
    return {"model": Problem, "description": words, "content": {MEDIA_TYPE: {}}}


#: Of every endpoint.
COMMON = problems(
    s401="Nobody is signed in, or name and password are wrong.",
    s403="This account may not do that.",
    s422="What was sent can be read, but does not fit.",
    s429="Too many attempts to sign in.",
    s503="The database can't be reached, or is too busy. The header Retry-After says when to try again.",
)
