"""Which paths are open to everybody, and what kind of answer a client expects. Pure."""

from __future__ import annotations

from starlette.datastructures import Headers

#: What the other instance and a watchdog ask, by whatever name they reach us: no Host is checked, and nobody is told
#: anything but a role or a sentence.
TOLD_TO_ALL = frozenset({"/healthz", "/readyz", "/look"})
#: Needed to sign in.
OPEN = frozenset({"/sign-in"})
OPEN_FOLDERS = ("/static/",)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def wants_html(accept: str) -> bool:
    """Whether the header Accept asks for a page; that of curl, of Prometheus and of every mirror does not."""
    return any(part.split(";")[0].strip().lower() == "text/html" for part in accept.split(","))


def asks_for_role(method: str, path: str, headers: Headers) -> bool:
    """Whether this is the mirror's question: `/`, asked by anybody who does not want a page."""
    return path == "/" and method in {"GET", "HEAD"} and not wants_html(",".join(headers.getlist("accept")))


def is_told_to_all(method: str, path: str, headers: Headers) -> bool:
    return path in TOLD_TO_ALL or asks_for_role(method, path, headers)


def is_open(path: str) -> bool:
    """Whether one need not be signed in."""
    return path in OPEN or path.startswith(OPEN_FOLDERS)


def is_api(path: str) -> bool:
    return path.startswith("/api/")
