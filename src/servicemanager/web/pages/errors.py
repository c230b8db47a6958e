"""What is shown where a page can't be: each error in whole sentences, with what one can do.

The application decides by the path whether an error becomes a page or a problem document; the pages are made here.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from servicemanager.errors import (
    ConfigurationError,
    DatabaseUnreachable,
    LeaseHeld,
    NotFound,
    ServiceManagerError,
)
from servicemanager.web.gate.refusal import Refusal
from servicemanager.web.pages.render import Frame, page

#: What a page says, where the error itself says nothing that a person would understand.
_SAYINGS = {
    403: ("Not allowed", "Your account may not do this."),
    404: ("There is no such page", "Nothing is found under this address: it may have been removed, or mistyped."),
    405: ("That can't be done here", "This address answers questions only: go back, and use the page's own buttons."),
    413: ("Too much was sent", "Forms of this service are small: nothing was done."),
    422: ("That can't be done so", "Something that was sent does not fit."),
    500: (
        "Something went wrong here",
        "That is a mistake of the service, not yours. The service's log tells it, with the time of now.",
    ),
    503: ("Not at the moment", "The service can't answer this just now: try again in a moment."),
}
_STATUS = (
    (NotFound, 404),
    (LeaseHeld, 409),
    (ConfigurationError, 422),
)


def error_page(request: Request, status: int, detail: str | None = None) -> Response:
    """`detail` is a sentence for people; without it the page has words of its own."""
    title, words = _SAYINGS.get(status, (HTTPStatus(status).phrase, ""))
    phrase = HTTPStatus(status).phrase
    said = detail if detail and detail != phrase else words
    return page(request, "error.html", status, code=status, heading=title, detail=said)


def page_of(request: Request, error: Exception) -> Response:
    """The page for an error that an endpoint raised; for one that nobody foresaw it says nothing of the inside."""
    if isinstance(error, HTTPException):
        return error_page(request, error.status_code, error.detail)
    if isinstance(error, RequestValidationError):
        return error_page(request, _of_address(error))
    if isinstance(error, DatabaseUnreachable):
        return database_away(request, str(error))
    if not isinstance(error, ServiceManagerError):
        return error_page(request, 500)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 503 if error.retryable else 500)
    return error_page(request, status, str(error))


def _of_address(error: RequestValidationError) -> int:
    """An address that can't be one of ours names nothing; a form or a question that does not fit is told as such."""
    return 404 if any(one["loc"][:1] == ("path",) for one in error.errors()) else 422


def database_away(request: Request, why: str) -> Response:
    """503: since when, what still works, what one can do. It looks again by itself."""
    frame: Frame = request.app.state.frame
    response = page(request, "database-away.html", 503, why=why, since=frame.lost_at())
    response.headers["Retry-After"] = "5"
    return response


def refusal_page(request: Request, refusal: Refusal) -> Response:
    """How the gate's refusals look."""
    return page(
        request, "refused.html", refusal.status, code=refusal.status, title=refusal.title, detail=refusal.detail
    )
