"""A refusal, and how it is shown: as a page, as problem+json (RFC 9457), or as a line of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from servicemanager.web.gate.paths import is_api, wants_page


@dataclass(frozen=True)
class Refusal:
    """`detail` is a whole sentence for a person: what was refused, and the remedy."""

    status: int
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase


class Refused(Exception):
    """Somebody is not let in, or may not do what he asks for."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


#: How a refusal looks where a page is wanted.
Page = Callable[[Request, Refusal], Response]


def bare_page(_request: Request, refusal: Refusal) -> Response:
    """A page that needs nothing else."""
    title, detail = escape(refusal.title), escape(refusal.detail)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><main><h1>{title}</h1><p>{detail}</p></main></html>\n",
        refusal.status,
    )


def show(request: Request, refusal: Refusal, page: Page = bare_page) -> Response:
    """In the form that the path and the header Accept ask for."""
    if is_api(request.url.path):
        problem = {"type": "about:blank", "title": refusal.title, "status": refusal.status, "detail": refusal.detail}
        response: Response = JSONResponse(problem, refusal.status, media_type="application/problem+json")
    elif wants_page(request.headers):
        response = page(request, refusal)
    else:
        response = PlainTextResponse(f"{refusal.detail}\n", refusal.status)
    response.headers.update(refusal.headers)
    return response
