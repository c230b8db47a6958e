"""Who gets in, and who may change something: an ASGI middleware. What it does not know to be open is closed."""

from __future__ import annotations

import time
from http import HTTPStatus
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicemanager.web.gate.authenticator import Authenticator, Identity, Way
from servicemanager.web.gate.bodies import form_fields
from servicemanager.web.gate.crosssite import (
    TOKEN_FIELD,
    TOKEN_HEADER,
    Verdict,
    is_from_browser,
    judge,
    made_by_another_site,
)
from servicemanager.web.gate.paths import SAFE_METHODS, SIGN_IN, is_api, is_open, is_static, target_of, wants_page
from servicemanager.web.gate.refusal import Page, Refusal, Refused, show
from servicemanager.web.gate.sparing import Sparing

_CHALLENGE = 'Basic realm="ServiceManager", charset="UTF-8"'
_FORM = "application/x-www-form-urlencoded"
_NOBODY = (
    "Nobody can sign in here yet, so only clients on this machine get in, and only those that nobody passes on. To let "
    "others in, set web.user and web.password (WEB_USER, WEB_PASSWORD), or web.accounts (WEB_ACCOUNTS=true) for the "
    "platform's accounts, and start anew."
)
_OTHER_SITE = "This was asked by a page of another site, so it was not done."
_NO_TOKEN = "This form is out of date, so nothing was done: go back, load the page anew, and try again."  # noqa: S105

_log = structlog.get_logger()


class Admission:
    """Leaves `viewer` (None on open paths), `csrf` and `session` in the request's state."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, page: Page) -> None:
        self._app, self._authenticator, self._page = app, authenticator, page
        self._told = Sparing()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, state = Request(scope), scope["state"]
        state |= {"viewer": None, "csrf": "", "session": None, "authenticator": self._authenticator}
        try:
            identity = await self._identify(request)
            if identity:
                state |= {"viewer": identity.viewer, "csrf": identity.csrf, "session": identity.session}
            self._check(request, identity)
        except Refused as refused:
            await self._refuse(request, refused.refusal)(scope, receive, send)
            return
        if request.method in SAFE_METHODS or identity is None:
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, _told(request, identity, send))

    async def _identify(self, request: Request) -> Identity | None:
        origin = request.state.origin
        if is_static(request.url.path):
            return None
        if is_open(request.url.path):
            return await self._authenticator.by_session(request.cookies, origin)
        identity = await self._authenticator.identify(request.headers, request.cookies, origin)
        if identity is None:
            detail = "Sign in to see this." if self._authenticator.lets_sign_in else _NOBODY
            raise Refused(Refusal(401 if self._authenticator.lets_sign_in else 403, detail))
        return identity

    def _check(self, request: Request, identity: Identity | None) -> None:
        """Raises Refused where an unsafe request is not its viewer's own, or more than the viewer may."""
        if request.method in SAFE_METHODS:
            return
        headers, scheme = request.headers, request.state.origin.scheme
        if identity is None or is_open(request.url.path):
            if made_by_another_site(headers, scheme):
                address = request.state.origin.address
                if self._told.is_due(address, time.monotonic()):
                    _log.warning("refused", address=address, act=_act(request), reason=Verdict.OTHER_SITE.value)
                raise Refused(Refusal(403, _OTHER_SITE))
            return
        way = identity.way
        own = way is Way.BASIC or (way is Way.LOCAL and is_api(request.url.path) and not is_from_browser(headers))
        verdict = judge(headers, scheme, _token(request), identity.csrf, own_credentials=own)
        if not verdict.passes:
            _log_refusal(request, identity, verdict.value)
            raise Refused(Refusal(403, _NO_TOKEN if verdict is Verdict.WITHOUT_TOKEN else _OTHER_SITE))
        if not identity.viewer.may_act and request.url.path != "/sign-out":
            _log_refusal(request, identity, "this account may not act")
            who = identity.viewer.name
            raise Refused(Refusal(403, f"{who} may read, but not act: only accounts with the role admin may."))

    def _refuse(self, request: Request, refusal: Refusal) -> ASGIApp:
        if refusal.status != HTTPStatus.UNAUTHORIZED:
            return show(request, refusal, self._page)
        is_page = wants_page(request.headers) and not is_api(request.url.path)
        if is_page and request.method in SAFE_METHODS and "authorization" not in request.headers:
            target = target_of(request.scope)
            return RedirectResponse(SIGN_IN + (f"?next={quote(target)}" if target != "/" else ""), 303)
        # A browser would ask for the password in a window of its own.
        headers = {} if is_from_browser(request.headers) else {"WWW-Authenticate": _CHALLENGE}
        return show(request, Refusal(401, refusal.detail, headers), self._page)


def _token(request: Request) -> str | None:
    """As a header, or as a field of a form."""
    if token := request.headers.get(TOKEN_HEADER):
        return token
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return None
    return form_fields(request.state.body).get(TOKEN_FIELD)


def _act(request: Request) -> str:
    """Method and path as they were sent; what stands in a query is nobody's business."""
    return f"{request.method} {target_of(request.scope).partition('?')[0]}"


def _told(request: Request, identity: Identity, send: Send) -> Send:
    """Say in the log who did what, as soon as it is known how it ended."""

    async def send_and_tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            _log.info(
                "acted",
                account=identity.viewer.name,
                address=request.state.origin.address,
                act=_act(request),
                status=message["status"],
            )
        await send(message)

    return send_and_tell


def _log_refusal(request: Request, identity: Identity, reason: str) -> None:
    _log.warning(
        "refused",
        account=identity.viewer.name,
        address=request.state.origin.address,
        act=_act(request),
        reason=reason,
    )
