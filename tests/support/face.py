"""The pages, served over real HTTP from a made-up desk, to a viewer who may do what a test says."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from servicemanager.errors import ServiceManagerError
from servicemanager.web import pages
from servicemanager.web.pages.errors import page_of
from servicemanager.web.pages.render import Frame
from servicemanager.web.server import listen, serving
from servicemanager.web.viewer import Rights, Viewer
from support.desk import SampleDesk

ZONE = ZoneInfo("America/Sao_Paulo")
TOKEN = "the-token-of-this-session"
#: What the gate sends with every page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@dataclass
class Face:
    """Who looks, at what. Tests change it while it is served."""

    desk: SampleDesk
    viewer: Viewer | None = field(default_factory=lambda: Viewer("maria@example.com", Rights.ADMIN))
    role: str = "MASTER"
    token: str = TOKEN


def make_app(face: Face) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def let_in(request: Request, go_on):
        request.state.viewer, request.state.csrf, request.state.session = face.viewer, face.token, face.viewer
        app.state.desk = face.desk
        answer = await go_on(request)
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    app.state.frame = Frame(role=lambda: face.role, zone=ZONE, now=lambda: face.desk.clock())  # noqa: PLW0108 -- tests change desks
    pages.install(app)
    for kind in (ServiceManagerError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, page_of)
    return app


@dataclass(frozen=True)
class Answer:
    """`text` is unpacked."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        packed = self.headers.get("Content-Encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()

    @property
    def json(self) -> object:
        return json.loads(self.text)


@dataclass(frozen=True)
class Site:
    """Where the pages are served."""

    port: int
    face: Face

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Answer:
        body = urlencode({"csrf": self.face.token} | dict(fields))
        return self._ask("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"} | headers)

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, _names(headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Accept": "text/html"} | {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def served(face: Face) -> Iterator[Site]:
    listener = listen("127.0.0.1", 0)
    with serving(make_app(face), listener):
        yield Site(listener.getsockname()[1], face)
