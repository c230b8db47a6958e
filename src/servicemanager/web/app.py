"""The role page, which the other instance asks, and the pages that say whether this one is well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse

from servicemanager import __version__
from servicemanager.web.desk import Desk


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


def make_app(face: Face, desk: Desk | None = None) -> FastAPI:
    """`GET /` answers MASTER or SLAVE and nothing else, as the Node version's mirror expects it."""
    app = FastAPI(title="ServiceManager", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.face, app.state.desk = face, desk
    headers = {"Server": f"{face.server}/{__version__}", "Cache-Control": "no-store"}

    @app.api_route("/", methods=["GET", "HEAD"])
    async def role() -> Response:
        return PlainTextResponse(face.role(), headers=headers)

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

    return app
