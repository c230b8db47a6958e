"""Whether a client wants a page or the word of the role page, by its header Accept; pure.

The mirror protocol comes first: whoever does not ask for HTML by name, and prefer it to plain text, gets the role.
"""

from __future__ import annotations

from collections.abc import Iterator

_PAGE, _WORD = "text/html", "text/plain"


def prefers_page(accept: str) -> bool:
    """Browsers name text/html; curl, Prometheus and every mirror say `*/*` or nothing."""
    wanted = dict(_ranges(accept))
    return wanted.get(_PAGE, 0.0) > wanted.get(_WORD, 0.0)


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Each media range with its quality, from 0 to 1 (RFC 9110, 12.5.1); one that can't be read counts for nothing."""
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        yield kind, next((_quality(each[2:]) for each in parameters if each.startswith("q=")), 1.0)


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
