"""Errors as problem documents (RFC 9457): one table says which error has which status.

What nobody foresaw says nothing of the inside; the log has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from servicemanager.errors import (
    ConfigurationError,
    DatabaseBusy,
    LeaseHeld,
    NotFound,
    ServiceManagerError,
    Unreachable,
)
from servicemanager.web.documents.document import Document

MEDIA_TYPE = "application/problem+json"
#: The first that fits counts; what is in none of them is a mistake of the service.
STATUSES: tuple[tuple[type[ServiceManagerError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (ConfigurationError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (LeaseHeld, HTTPStatus.CONFLICT),
    (Unreachable, HTTPStatus.SERVICE_UNAVAILABLE),
    (DatabaseBusy, HTTPStatus.SERVICE_UNAVAILABLE),
)
#: Seconds after which a try again may help.
RETRY_AFTER = "5"
_CRASHED = "Something went wrong inside the service: its log says what, with the time of this answer."
_UNFIT = "Something that was sent does not fit."


class Problem(Document):
    """What went wrong, for people and programs."""

    type: str = Field(description="Always `about:blank`: the status says what kind of problem it is.")
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(ge=400, le=599, examples=[404])
    detail: str = Field(description="What is wrong and what helps, in whole sentences.")
    mistakes: tuple[str, ...] = Field((), description="One sentence for each mistake, where there may be several.")


def status_of(error: Exception) -> HTTPStatus:
    if isinstance(error, HTTPException):
        return HTTPStatus(error.status_code)
    if isinstance(error, RequestValidationError):
        # An address that can't be one of ours names nothing.
        in_path = any(each["loc"][:1] == ("path",) for each in error.errors())
        return HTTPStatus.NOT_FOUND if in_path else HTTPStatus.UNPROCESSABLE_ENTITY
    return next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def problem_of(error: Exception) -> Problem:
    status = status_of(error)
    detail, mistakes = _said(error, status)
    return Problem(type="about:blank", title=status.phrase, status=status, detail=detail, mistakes=mistakes)


def problem_response(error: Exception) -> Response:
    problem = problem_of(error)
    return Response(
        problem.model_dump_json(),
        problem.status,
        headers={"Cache-Control": "no-store", **headers_of(error)},
        media_type=MEDIA_TYPE,
    )


def headers_of(error: Exception) -> Mapping[str, str]:
    """What the answer says besides."""
    if isinstance(error, HTTPException):
        return error.headers or {}
    return {"Retry-After": RETRY_AFTER} if status_of(error) is HTTPStatus.SERVICE_UNAVAILABLE else {}


def _said(error: Exception, status: HTTPStatus) -> tuple[str, tuple[str, ...]]:
    match error:
        case ConfigurationError():
            return " ".join(error.mistakes), error.mistakes
        case ServiceManagerError():
            return str(error), ()
        case HTTPException():
            return error.detail if error.detail != status.phrase else _WORDS.get(status, status.description), ()
        case RequestValidationError():
            if status is HTTPStatus.NOT_FOUND:
                return _WORDS[status], ()
            return _UNFIT, tuple(map(_mistake, error.errors()))
    return _CRASHED, ()


_WORDS = {
    HTTPStatus.NOT_FOUND: "Nothing is found under this address: the OpenAPI document lists what there is.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This can't be done with this address: the header Allow lists what can.",
}


def _mistake(error: Mapping[str, Any]) -> str:
    """Where and why, without what was sent: that may be a secret, or long."""
    place: Sequence[Any] = error["loc"]
    return f"{'.'.join(map(str, place[1:])) or place[0]}: {error['msg']}"
