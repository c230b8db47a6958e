"""A web server of our own with pages to be guarded, and a client that sends exactly what a test says."""

from __future__ import annotations

import base64
import http.client
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import structlog
from fastapi import Depends, FastAPI, Request
from structlog.testing import LogCapture

from servicemanager.config import Web
from servicemanager.web.app import Face, make_app
from servicemanager.web.gate.authenticator import Authenticator, no_database
from servicemanager.web.gate.connections import LIMITS, Limits
from servicemanager.web.gate.gate import Gate
from servicemanager.web.gate.rights import Acting, seeing_configuration
from servicemanager.web.gate.tls import open_certificate
from servicemanager.web.server import listen, serving

USER, PASSWORD = "maria@example.com", "a long and secret password"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@dataclass
class Answer:
    """A response, read whole."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def cookie(self) -> str:
        """Name and value of the cookie that it sets."""
        return self.headers["Set-Cookie"].partition(";")[0]


@dataclass
class Site:
    """A server at work. `logged` holds every line of its log."""

    port: int
    logged: list[dict]
    acts: list[str] = field(default_factory=list)
    trust: ssl.SSLContext | None = None

    def ask(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Answer:
        """A header `Sec_Fetch_Site` is sent as Sec-Fetch-Site; one that is empty is not sent at all."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(self._connect()) as connection:
            connection.putrequest(method, path, skip_host="Host" in named, skip_accept_encoding=True)
            for name, value in named.items():
                if value:
                    connection.putheader(name, value)
            content = body.encode() if isinstance(body, str) else body
            if content is not None or method not in {"GET", "HEAD"}:
                connection.putheader("Content-Length", str(len(content or b"")))
            connection.endheaders(content)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(fields or {}), **(form | headers))

    def sign_in(self, user: str = USER, password: str = PASSWORD, next: str = "/", **headers: str) -> Answer:  # noqa: A002
        return self.post("/sign-in", {"user": user, "password": password, "next": next}, **headers)

    def signed_in(self, user: str = USER, password: str = PASSWORD) -> tuple[str, str]:
        """The cookie and the token of a new session."""
        cookie = self.sign_in(user, password).cookie
        return cookie, self.get("/token", Cookie=cookie).text.strip('"')

    def raw(self, content: bytes) -> bytes:
        """All that is answered to these bytes until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(content)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    @property
    def log(self) -> str:
        return repr(self.logged)

    def said(self, event: str) -> list[dict]:
        return [line for line in self.logged if line["event"] == event]

    def _connect(self) -> http.client.HTTPConnection:
        if self.trust:
            return http.client.HTTPSConnection("localhost", self.port, timeout=5, context=self.trust)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)


def basic(user: str = USER, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextmanager
def site(
    web: Web | None = None,
    database=no_database,
    authority: Path | None = None,
    limits: Limits = LIMITS,
    clock=time.monotonic,
) -> Iterator[Site]:
    """`web` has one configured user, unless told otherwise."""
    web = one_user() if web is None else web
    listener = listen("127.0.0.1", 0)
    log = LogCapture()
    found = Site(listener.getsockname()[1], log.entries)
    if authority:
        found.trust = ssl.create_default_context(cafile=authority)
    before = structlog.get_config()
    structlog.configure(processors=[log], cache_logger_on_first_use=False)
    try:
        gate = Gate(_app(found.acts), web, Authenticator(web, database, clock), host_name="box.example")
        with serving(gate, listener, open_certificate(web), limits):
            yield found
    finally:
        structlog.configure(**before)


def one_user(**others) -> Web:
    return Web(user=USER, password=PASSWORD, **others)


def _app(acts: list[str]) -> FastAPI:
    app = make_app(Face(lambda: "MASTER", lambda: None, lambda: acts.append("look")))

    @app.get("/devices")
    @app.get("/api/v1/devices")
    def devices(request: Request) -> str:
        return f"seen by {request.state.viewer.name}"

    @app.get("/token")
    def token(request: Request) -> str:
        return request.state.csrf

    @app.get("/configuration", dependencies=[Depends(seeing_configuration)])
    def configuration() -> str:
        return "settings"

    @app.get("/static/app.css")
    def style() -> str:
        return "style"

    @app.get("/large")
    def large() -> str:
        return "x" * 20_000_000

    @app.post("/jobs/{name}/run")
    @app.post("/api/v1/jobs/{name}/runs")
    def run(name: str, by: Acting) -> str:
        acts.append(f"{name} by {by.name}")
        return "started"

    @app.post("/forgotten")
    def forgotten(request: Request) -> str:
        """An endpoint whose author thought of no right at all."""
        acts.append("forgotten")
        return "done"

    return app


def words(text: str) -> str:
    """Of a page, what a person reads."""
    return unescape(re.sub(r"<[^>]*>", " ", text))
