"""The gate: an ASGI application around the pages."""

from __future__ import annotations

from secrets import token_urlsafe

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from servicemanager.web.gate.local import is_local
from servicemanager.web.gate.paths import is_open, is_told_to_all
from servicemanager.web.gate.refusal import Page, Refusal, bare_page, show
from servicemanager.web.viewer import Rights, Viewer

LOCAL = Viewer("local", Rights.ADMIN)


class Gate:
    """Lets in who may, and tells the pages who it is: `request.state.viewer` (None on open paths) and `.csrf`."""

    def __init__(self, app: ASGIApp, page: Page = bare_page) -> None:
        self._app, self._page = app, page
        self._csrf = token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        state |= {"viewer": None, "csrf": ""}
        if is_told_to_all(scope["method"], scope["path"], headers):
            await self._app(scope, receive, send)
            return
        if is_local((scope.get("client") or ("",))[0], headers, scope["http_version"]):
            state |= {"viewer": LOCAL, "csrf": self._csrf}
        elif not is_open(scope["path"]):
            refusal = Refusal(403, "Only clients on this machine get in while no user is configured: set web.user.")
            await show(Request(scope), refusal, self._page)(scope, receive, send)
            return
        await self._app(scope, receive, send)
