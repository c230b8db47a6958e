"""How much a request may carry: an ASGI middleware. What changes something is read whole before anybody sees it."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicemanager.web.gate.paths import SAFE_METHODS
from servicemanager.web.gate.refusal import Page, Refusal, show

LONGEST = 64 * 1024
_MOST_FIELDS = 200
_TOO_LONG = Refusal(413, f"A request may carry at most {LONGEST // 1024} KiB, and this one is longer.")


class Bodies:
    """Refuses what is too long; leaves the body of an unsafe request in the state, and tells it again."""

    def __init__(self, app: ASGIApp, page: Page) -> None:
        self._app, self._page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes | None = b""
        if _announced(Headers(scope=scope)) > LONGEST:
            body = None
        elif scope["method"] not in SAFE_METHODS:
            try:
                body = await _read(receive)
            except ConnectionError:
                return
            receive = _again(body or b"", receive)
        if body is None:
            await show(Request(scope), _TOO_LONG, self._page)(scope, receive, send)
            return
        scope["state"]["body"] = body
        await self._app(scope, receive, send)


def form_fields(body: bytes) -> dict[str, str]:
    """The fields of a form (application/x-www-form-urlencoded); the first of each name, none where it is no form."""
    try:
        fields = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _announced(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


async def _read(receive: Receive) -> bytes | None:
    """None where it is too long. Raises ConnectionError where the client went away."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        body += message.get("body", b"")
        if len(body) > LONGEST:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    told = False

    async def receive_again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
