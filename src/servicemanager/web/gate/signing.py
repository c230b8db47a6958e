"""The pages by which one signs in and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from servicemanager.web.gate.authenticator import Authenticator
from servicemanager.web.gate.bodies import form_fields
from servicemanager.web.gate.refusal import Refused
from servicemanager.web.gate.sessions import cookie_name

_log = structlog.get_logger()


@dataclass(frozen=True)
class Form:
    """What the page shows: where one goes after it, what was typed as a name, and why that did not do."""

    next: str = "/"
    user: str = ""
    mistake: str | None = None
    status: int = 200


#: How the page looks.
FormPage = Callable[[Request, Form], Response]


def bare_form(_request: Request, form: Form) -> Response:
    """A page that needs nothing else."""
    mistake = f'<p role="alert">{escape(form.mistake)}</p>' if form.mistake else ""
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title><main><h1>Sign in</h1>'
        f'{mistake}<form method="post" action="/sign-in"><input type="hidden" name="next" value="{escape(form.next)}">'
        f'<label>Account <input name="user" value="{escape(form.user)}" autocomplete="username"></label> '
        '<label>Password <input name="password" type="password" autocomplete="current-password"></label> '
        "<button>Sign in</button></form></main></html>\n",
        form.status,
    )


def sign_in_router(page: FormPage = bare_form) -> APIRouter:
    """`GET` and `POST /sign-in`, and `POST /sign-out`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    def form(request: Request, next: str = "/") -> Response:  # noqa: A002 -- the name in the address
        if not _authenticator(request).lets_sign_in or request.state.viewer:
            return RedirectResponse(safe_path(next), 303)
        return page(request, Form(safe_path(next)))

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        fields = form_fields(request.state.body)
        name, password, goal = (fields.get(field, "") for field in ("user", "password", "next"))
        goal = safe_path(goal)
        authenticator, origin = _authenticator(request), request.state.origin
        if not authenticator.lets_sign_in:
            return RedirectResponse("/", 303)
        try:
            account = await authenticator.sign_in(name, password, origin)
        except Refused as refused:
            refusal = refused.refusal
            response = page(request, Form(goal, name[:254], refusal.detail, refusal.status))
            response.headers.update(refusal.headers)
            return response
        response = RedirectResponse(goal, 303)
        seconds = int(authenticator.sessions.lifetime.total_seconds())
        response.set_cookie(**_cookie(origin.scheme), value=authenticator.sessions.begin(account), max_age=seconds)
        return response

    @router.post("/sign-out")
    def sign_out(request: Request) -> Response:
        if request.state.session:
            _authenticator(request).sign_out(request.state.session)
            _log.info("signed out", account=request.state.viewer.name, address=request.state.origin.address)
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(**_cookie(request.state.origin.scheme))
        return response

    return router


def safe_path(text: str) -> str:
    """A path on this very instance, with its query; `/` for anything that a browser might take for another place."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    elsewhere = parts.scheme or parts.netloc or not text.startswith("/") or "//" in text.partition("?")[0]
    if elsewhere or "\\" in text or not text.isprintable() or parts.path in {"/sign-in", "/sign-out"}:
        return "/"
    return text


def _authenticator(request: Request) -> Authenticator:
    authenticator: Authenticator = request.state.authenticator
    return authenticator


def _cookie(scheme: str) -> dict[str, Any]:
    secure = scheme == "https"
    return {"key": cookie_name(scheme), "path": "/", "secure": secure, "httponly": True, "samesite": "lax"}
