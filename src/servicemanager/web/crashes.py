"""What becomes of an error that nobody foresaw: it is logged whole, and told without a word of the inside."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: How an error looks to whoever asked.
Answer = Callable[[Request, Exception], Response]

_log = structlog.get_logger()


class Crashes:
    """An ASGI application around `app`."""

    def __init__(self, app: ASGIApp, answer: Answer) -> None:
        self._app, self._answer = app, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http":
                raise
            _log.exception("a request crashed", method=scope["method"], path=scope["path"])
            if not begun:
                await self._shown(Request(scope), error)(scope, receive, send)

    def _shown(self, request: Request, error: Exception) -> Response:
        try:
            return self._answer(request, error)
        except Exception:  # noqa: BLE001 -- whatever it is, there has to be an answer
            _log.exception("a page for the crash crashed too")
            return PlainTextResponse("Something went wrong inside the service: its log says what.\n", 500)
