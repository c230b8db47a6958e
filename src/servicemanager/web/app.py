"""The application: the role page, which the other instance asks, the pages for people, and the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from servicemanager import __version__
from servicemanager.errors import ServiceManagerError
from servicemanager.web import pages
from servicemanager.web.api.document import make_router
from servicemanager.web.api.problems import headers_of, problem_of, problem_response
from servicemanager.web.crashes import Crashes
from servicemanager.web.desk import Desk
from servicemanager.web.gate.paths import is_api
from servicemanager.web.gate.signing import Form, bare_form, sign_in_router
from servicemanager.web.metrics import page as metrics
from servicemanager.web.negotiation import prefers_page
from servicemanager.web.pages.errors import page_of
from servicemanager.web.pages.render import Frame, page
from servicemanager.web.role import Application, RolePage

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Face:
    """What the pages need to know of the instance, and may ask of it."""

    role: Callable[[], str]
    #: Why it can't work as it should, in a sentence; None where it can.
    trouble: Callable[[], str | None]
    #: Let it look at once whether the lease is free.
    look: Callable[[], None]
    #: How it introduces itself: by this, another instance of the program knows it.
    server: str = "servicemanager"


def make_app(face: Face, desk: Desk | None = None, frame: Frame | None = None) -> FastAPI:
    """`GET /` answers MASTER or SLAVE to everyone who does not ask for a page, as the Node version's mirror expects it.

    Without `desk` and `frame` that, and how the instance is, is all.
    """
    server = f"{face.server}/{__version__}"
    app = Application(
        RolePage(face.role, server),
        title="ServiceManager",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.router.redirect_slashes = False
    app.state.desk, app.state.frame = desk, frame
    _add_health(app, face, {"Server": server, "Cache-Control": "no-store"})
    app.include_router(sign_in_router(_form_page if frame else bare_form))
    if desk and frame:
        app.include_router(make_router())
        app.include_router(metrics.router)
        pages.install(app)
        app.add_middleware(Crashes, answer=show)
        for kind in (ServiceManagerError, HTTPException, RequestValidationError):
            app.add_exception_handler(kind, show)
    return app


def show(request: Request, error: Exception) -> Response:
    """An error in the form that the path and the header Accept ask for."""
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        error = HTTPException(error.status_code, error.detail, {"Allow": _allowed(request)})
    if is_api(request.url.path):
        return problem_response(error)
    if prefers_page(request.headers.get("accept", "")):
        return page_of(request, error)
    problem = problem_of(error)
    return PlainTextResponse(f"{problem.detail}\n", problem.status, headers=dict(headers_of(error)))


def _allowed(request: Request) -> str:
    """Every method of the address: each may have an endpoint of its own, and the framework tells of the first only."""
    app: FastAPI = request.app
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    fitting = (m for m, scope in scopes.items() if any(r.matches(scope)[0] is Match.FULL for r in app.routes))
    return ", ".join(fitting)


def _form_page(request: Request, form: Form) -> Response:
    return page(request, "sign-in.html", form.status, next=form.next, user=form.user, mistake=form.mistake)


def _add_health(app: FastAPI, face: Face, headers: dict[str, str]) -> None:
    @app.get("/healthz")
    async def alive() -> Response:
        return PlainTextResponse("alive\n", headers=headers)

    @app.get("/readyz")
    async def ready() -> Response:
        trouble = face.trouble()
        return PlainTextResponse(f"{trouble or 'ready'}\n", status_code=503 if trouble else 200, headers=headers)

    @app.post("/look", status_code=204)
    async def look() -> Response:
        face.look()
        return Response(status_code=204, headers=headers)
