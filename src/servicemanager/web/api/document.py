"""The OpenAPI document of the API: just what is below /api/v1, and how one signs in."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from servicemanager import __version__
from servicemanager.web.api import devices, incidents, jobs, overview
from servicemanager.web.api.endpoints import COMMON
from servicemanager.web.api.problems import MEDIA_TYPE
from servicemanager.web.gate.sessions import cookie_name

PREFIX = "/api/v1"
_ABOUT = """\
Everything that the pages of ServiceManager show and do. Instants are ISO 8601 in UTC, spans are in seconds, days are \
local days of arrival. Errors are problem documents (RFC 9457). Lists come in parts: ask again with the `next` of one \
part as `after`, until `next` is null.\
"""
_SCHEMES = {
    "basic": {"type": "http", "scheme": "basic", "description": "For scripts."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": cookie_name("http"),
        "description": f"What signing in sets; under TLS its name is {cookie_name('https')}.",
    },
}


def make_router() -> APIRouter:
    router = APIRouter(prefix=PREFIX, responses=COMMON)
    for part in (overview, devices, incidents, jobs):
        router.include_router(part.router)
    # Made when it is first asked for: most processes never are.
    document = cache(partial(make_document, router))

    @router.get("/openapi.json", include_in_schema=False)
    def openapi() -> dict[str, Any]:
        return document()

    return router


def make_document(router: APIRouter) -> dict[str, Any]:
    made = get_openapi(title="ServiceManager", version=__version__, description=_ABOUT, routes=router.routes)
    made["components"]["securitySchemes"] = _SCHEMES
    made["security"] = [{name: []} for name in _SCHEMES]
    for path in made["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                _correct(status, response)
    for name in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(name, None)
    return made


def _correct(status: str, response: dict[str, Any]) -> None:
    """An error comes as a problem document and as nothing else."""
    if int(status) >= 400:  # noqa: PLR2004 -- errors
        response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
