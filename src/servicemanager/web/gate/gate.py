"""The gate: all that stands before the pages, in its order.

What the mirror and a watchdog ask goes straight through, whatever their Host: it tells nobody more than a role, and
must cost nothing.
"""

from __future__ import annotations

import socket

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from servicemanager.config import Web
from servicemanager.web.gate.admission import Admission
from servicemanager.web.gate.authenticator import Authenticator, no_database
from servicemanager.web.gate.bodies import Bodies
from servicemanager.web.gate.front import Front
from servicemanager.web.gate.headers import SecurityHeaders
from servicemanager.web.gate.hosts import own_names
from servicemanager.web.gate.origin import networks
from servicemanager.web.gate.paths import is_told_to_all
from servicemanager.web.gate.refusal import Page, bare_page


class Gate:
    """An ASGI application around `app`. The pages find `viewer` and `csrf` in `request.state`.

    Without an `authenticator`, only the configured user can sign in, and sessions hold in this process alone.
    """

    def __init__(
        self,
        app: ASGIApp,
        web: Web = Web(),  # noqa: B008 -- immutable
        authenticator: Authenticator | None = None,
        page: Page = bare_page,
        host_name: str | None = None,
    ) -> None:
        self._app = app
        inner: ASGIApp = Admission(app, authenticator or Authenticator(web, no_database), page)
        inner = Bodies(inner, page)
        names = own_names(socket.gethostname() if host_name is None else host_name, web.hosts)
        inner = Front(inner, names, networks(web.proxies), page, needs_tls=web.certificate is not None)
        self._guarded = SecurityHeaders(inner)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # nothing here speaks WebSocket, and there is nothing to start or stop
        scope.setdefault("state", {})
        if is_told_to_all(scope["method"], scope["path"], Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        # For the pages that the gate itself shows.
        scope["app"] = self._app
        await self._guarded(scope, receive, send)
