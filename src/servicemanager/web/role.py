"""The role page, which the other instance asks for every few seconds, answered before anything else is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from servicemanager.web.gate.paths import asks_for_role


class RolePage:
    """`GET /` answers MASTER or SLAVE and nothing else, as the Node version's mirror expects it."""

    def __init__(self, role: Callable[[], str], server: str) -> None:
        self._role = role
        self._headers = [
            (b"server", server.encode()),
            (b"cache-control", b"no-store"),
            (b"vary", b"Accept"),
            (b"content-type", b"text/plain; charset=utf-8"),
        ]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The server leaves the body out where only the head is asked for."""
        word = self._role().encode()
        headers = [*self._headers, (b"content-length", str(len(word)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": word})


class Application(FastAPI):
    """Middleware, routes and what they need to be told cost eight times as much as the word itself."""

    def __init__(self, role_page: RolePage, **options: Any) -> None:
        super().__init__(**options)
        self._role_page = role_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and asks_for_role(scope["method"], scope["path"], Headers(scope=scope)):
            await self._role_page(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
