"""Which paths are open to everybody, and what kind of answer a client expects. Pure."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

from servicemanager.web.negotiation import prefers_page

#: What the other instance and a watchdog ask, by whatever name they reach us: no Host is checked, and nobody is told
#: anything but a role or a sentence.
TOLD_TO_ALL = frozenset({"/healthz", "/readyz", "/look"})
#: Needed to sign in.
SIGN_IN = "/sign-in"
STATIC = "/static/"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def wants_page(headers: Headers) -> bool:
    """Decided by the very function by which the application decides it, lest one shows a page that the other let by."""
    return prefers_page(",".join(headers.getlist("accept")))


def asks_for_role(method: str, path: str, headers: Headers) -> bool:
    """Whether this is the mirror's question: `/`, asked by anybody who does not want a page."""
    return path == "/" and method in {"GET", "HEAD"} and not wants_page(headers)


def is_told_to_all(method: str, path: str, headers: Headers) -> bool:
    return path in TOLD_TO_ALL or asks_for_role(method, path, headers)


def is_open(path: str) -> bool:
    """Whether one need not be signed in."""
    return path == SIGN_IN or is_static(path)


def is_static(path: str) -> bool:
    """Whether it is the same for everybody."""
    return path.startswith(STATIC)


def target_of(scope: Scope) -> str:
    """Path and query as they were sent: printable ASCII."""
    path, query = scope["raw_path"].decode("ascii", "replace"), scope["query_string"].decode("ascii", "replace")
    return f"{path}?{query}" if query else path


def is_api(path: str) -> bool:
    return path.startswith("/api/")
