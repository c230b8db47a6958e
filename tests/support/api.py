"""The whole application around a desk, served on loopback, for clients that sign in by HTTP Basic."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from starlette.requests import Request

from servicemanager.config import Web
from servicemanager.web.app import Face, make_app
from servicemanager.web.desk import Desk
from servicemanager.web.gate.gate import Gate
from servicemanager.web.gate.refusal import Refusal, show
from servicemanager.web.pages.render import Frame
from servicemanager.web.server import listen, serving
from servicemanager.web.viewer import Rights, Viewer

USER, PASSWORD = "maria", "s3cret"
CREDENTIALS = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Lessened:
    """Behind the gate: whoever it let in as an administrator has other rights."""

    def __init__(self, app, rights: Rights) -> None:
        self._app, self._rights = app, rights

    async def __call__(self, scope, receive, send):
        if scope.get("state", {}).get("viewer"):
            scope["state"]["viewer"] = Viewer(USER, self._rights)
        await self._app(scope, receive, send)


class Doorkeeper:
    """In place of the gate: knows the one password, and never loses patience with those who don't."""

    def __init__(self, app) -> None:
        self._app = app

    async def __call__(self, scope, receive, send):
        request = Request(scope)
        scope["state"] = {"viewer": Viewer(USER, Rights.ADMIN), "csrf": ""}
        if request.headers.get("authorization") == CREDENTIALS:
            await self._app(scope, receive, send)
        else:
            refusal = Refusal(401, "Sign in to see this.", {"WWW-Authenticate": "Basic"})
            await show(request, refusal)(scope, receive, send)


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def document(self):
        return json.loads(self.body)


@dataclass
class Served:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"Authorization": CREDENTIALS} | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


@contextmanager
def served(desk: Desk, rights: Rights = Rights.ADMIN, *, patient: bool = False) -> Iterator[Served]:
    face = Face(lambda: "MASTER", lambda: None, lambda: None)
    app = make_app(face, desk, Frame(lambda: "MASTER", ZoneInfo("America/Sao_Paulo")))
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    gate = Doorkeeper(app) if patient else Gate(Lessened(app, rights), Web(user=USER, password=PASSWORD))
    with serving(gate, listener):
        yield Served(port)
