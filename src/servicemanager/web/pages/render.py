"""From a template to a response: what every page shows around its content, an ETag, and compression.

Nothing in a page is trusted: everything that is filled in is escaped, and what a template forgets to say is an error.
The token of the session's forms is filled in last. It does not count for the ETag; and it is compressed in blocks of
its own, so that the length of an answer tells nothing of it, whatever text of a stranger the page shows (BREACH).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from servicemanager import __version__
from servicemanager.web.pages import formats, words
from servicemanager.web.pages.assets import static
from servicemanager.web.viewer import Viewer

_TEMPLATES = Path(__file__).parents[1] / "templates"
#: Nobody can guess them, so no text that is shown holds one.
_TOKEN, _NOW, _CLOCK = (f"{name}-{secrets.token_hex(16)}" for name in ("csrf", "now", "clock"))
_SMALL = 1024
THEMES = ("light", "dark")
_TIME = Markup('<time datetime="{}" title="{}" data-form="{}">{}</time>')


def _utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Frame:
    """What every page shows of the instance; it stands in `app.state.frame`."""

    role: Callable[[], str]
    zone: ZoneInfo
    #: The database's clock, as well as it is known.
    now: Callable[[], datetime] = _utc
    #: Since when the database has not been reached; None while it is.
    lost_at: Callable[[], datetime | None] = lambda: None


def page(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """The page, or 304 where the browser has it already. Works without the database."""
    frame: Frame = request.app.state.frame
    now = frame.now()
    text = _ENVIRONMENT.get_template(template).render(**_around(request, frame, now), status=status, **context)
    headers = {
        "ETag": f'W/"{hashlib.sha256(text.encode()).hexdigest()[:24]}"',
        "Cache-Control": "no-store",
        "Vary": "Accept-Encoding, Cookie",
    }
    if status == 200 and request.headers.get("if-none-match") == headers["ETag"]:  # noqa: PLR2004 -- OK
        return Response(status_code=304, headers=headers)
    token = getattr(request.state, "csrf", "")
    clock = f"{now.astimezone(frame.zone):%H:%M:%S}"
    parts = _parts(text.replace(_NOW, formats.stamp(now)).replace(_CLOCK, clock), token)
    body = "".join(parts).encode()
    if len(body) >= _SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        body = pack(part.encode() for part in parts)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status, headers, media_type="text/html")


def _around(request: Request, frame: Frame, now: datetime) -> dict[str, Any]:
    theme = request.cookies.get("theme")
    viewer: Viewer | None = getattr(request.state, "viewer", None)
    return {
        "viewer": viewer,
        "signed_in": getattr(request.state, "session", None) is not None,
        "csrf": _TOKEN,
        "role": frame.role(),
        "zone": frame.zone,
        "now": now,
        "now_stamp": _NOW,
        "clock": _CLOCK,
        "version": __version__,
        "theme": theme if theme in THEMES else "auto",
        "path": request.url.path,
    }


def _parts(text: str, token: str) -> list[str]:
    """The text around the tokens, and the tokens."""
    return [token if part == _TOKEN else part for part in re.split(f"({_TOKEN})", text)]


def pack(parts: Any) -> bytes:
    """One gzip stream in which no part refers to another: after a full flush nothing before it is known."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return b"".join(packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH) for part in parts) + packer.flush()


@pass_context
def _when(context: Context, at: datetime | None, form: str = "ago") -> str:
    """An instant; `form` is 'ago' or 'wall'. The script says it again in the viewer's zone."""
    if at is None:
        return formats.DASH
    now, zone = context["now"], context["zone"]
    words = formats.ago(at, now) if form == "ago" else formats.wall(at, zone, now)
    stamp, title = formats.stamp(at), formats.exact(at)
    return _TIME.format(stamp, title, form, words)


def _day(value: date) -> str:
    return formats.day(value)


def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"static": static}
    environment.filters |= words.FILTERS | {
        "when": _when,
        "day": _day,
        "count": formats.count,
        "many": formats.many,
        "short": formats.short,
        "size": formats.size,
        "lasting": formats.lasting,
        "roughly": formats.roughly,
        "percent": formats.percent,
        "segment": formats.segment,
    }
    return environment


_ENVIRONMENT = _make_environment()
