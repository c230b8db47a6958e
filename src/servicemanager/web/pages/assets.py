"""The files beside the pages, each under an address that names its content, so that browsers keep it for good."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

_FOLDER = Path(__file__).parents[1] / "static"
_FOREVER = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Asset:
    """A file, read once."""

    content: bytes
    packed: bytes
    type: str
    #: The start of its content's SHA-256.
    digest: str


@cache
def asset(name: str) -> Asset:
    """Raises KeyError where there is no such file."""
    known = {path.name: path for path in _FOLDER.iterdir() if path.is_file()}
    content = known[name].read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(content, gzip.compress(content, mtime=0), kind, hashlib.sha256(content).hexdigest()[:12])


def static(name: str) -> str:
    """Where a page finds the file."""
    return f"/static/{asset(name).digest}/{name}"


@router.api_route("/static/{digest}/{name}", methods=["GET", "HEAD"])
def send(request: Request, digest: str, name: str) -> Response:
    """A file under an old address is another file: there is none."""
    try:
        found = asset(name)
    except KeyError:
        raise HTTPException(404) from None
    if digest != found.digest:
        raise HTTPException(404)
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=found.type)
    return Response(found.content, headers=headers, media_type=found.type)
