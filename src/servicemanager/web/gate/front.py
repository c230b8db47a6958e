"""Who knocks, under which name, and whether in the clear: an ASGI middleware, and the first one that may refuse."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from servicemanager.web.gate.hosts import refused_host
from servicemanager.web.gate.origin import Network, find_origin
from servicemanager.web.gate.paths import SAFE_METHODS, target_of
from servicemanager.web.gate.refusal import Page, Refusal, show


class Front:
    """Checks the Host, sends whoever came in the clear to TLS, and leaves the client's origin in the state."""

    def __init__(
        self, app: ASGIApp, names: Collection[str], proxies: Sequence[Network], page: Page, *, needs_tls: bool
    ) -> None:
        self._app, self._names, self._proxies, self._page = app, names, proxies, page
        self._needs_tls = needs_tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        peer, port = scope.get("client") or ("", 0)
        origin = find_origin(peer, scope["scheme"], headers, scope["http_version"], self._proxies)
        scope["state"]["origin"] = origin
        scope["client"], scope["scheme"] = (origin.address, port), origin.scheme
        answer = self._refusal(Request(scope), headers)
        await (answer or self._app)(scope, receive, send)

    def _refusal(self, request: Request, headers: Headers) -> Response | None:
        if not request.url.path.startswith("/"):
            return show(request, Refusal(400, "This is no proxy: a request names a path."), self._page)
        if why := refused_host(headers.getlist("host"), self._names):
            return show(request, Refusal(421, why), self._page)
        if self._needs_tls and request.url.scheme != "https":
            # Whoever sent a password in the clear must learn of it, rather than be led on.
            if request.method in SAFE_METHODS and "authorization" not in headers:
                return RedirectResponse(f"https://{headers['host']}{target_of(request.scope)}", 308)
            return show(request, Refusal(403, "This is done over TLS only: begin the address with https."), self._page)
        return None
