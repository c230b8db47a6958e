"""Whether a request that changes something was made by a page of ours, or by another site's. Pure.

Browsers say where a request comes from (Sec-Fetch-Site, Origin), and send cookies, Basic credentials and the very
address of this machine along whoever made them do it. So whatever a browser sends must come from our own pages and,
unless it bears credentials of its own, carry the token of the session. See the OWASP Cross-Site Request Forgery
Prevention Cheat Sheet.
"""

from __future__ import annotations

from enum import StrEnum
from hmac import compare_digest

from starlette.datastructures import Headers

TOKEN_FIELD = "csrf"  # noqa: S105 -- the name of a form's field
TOKEN_HEADER = "x-csrf-token"  # noqa: S105 -- the name of a header
#: `none` is a person's own doing, such as loading a page anew.
_OURS = frozenset({"same-origin", "none"})
_PORTS = {"http": "80", "https": "443"}


class Verdict(StrEnum):
    """Why a request passes, or does not."""

    OURS = "made by a page of ours"
    NO_BROWSER = "made by a script, with credentials of its own"
    OTHER_SITE = "made by a page of another site"
    WITHOUT_TOKEN = "without the token of the session"  # noqa: S105 -- a reason

    @property
    def passes(self) -> bool:
        return self in {Verdict.OURS, Verdict.NO_BROWSER}


def made_by_another_site(headers: Headers, scheme: str) -> bool:
    """What the browser says; one that says nothing is none, or an old one."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in _OURS:
        return True
    origin = headers.get("origin")
    return origin is not None and _origin(origin) != _origin(f"{scheme}://{headers.get('host', '')}")


def judge(headers: Headers, scheme: str, sent: str | None, token: str, *, own_credentials: bool) -> Verdict:
    """`sent` is the token that came along; `own_credentials` are such as no browser adds by itself."""
    if made_by_another_site(headers, scheme):
        return Verdict.OTHER_SITE
    if own_credentials:
        return Verdict.NO_BROWSER
    if sent and compare_digest(sent.encode(), token.encode()):
        return Verdict.OURS
    return Verdict.WITHOUT_TOKEN


def is_from_browser(headers: Headers) -> bool:
    return "origin" in headers or any(name.startswith("sec-fetch-") for name in headers)


def _origin(text: str) -> str:
    """Scheme, host and port, in one spelling."""
    scheme, _, rest = text.lower().partition("://")
    host, colon, port = rest.rpartition(":")
    if colon and port == _PORTS.get(scheme):
        rest = host
    return f"{scheme}://{rest}"
