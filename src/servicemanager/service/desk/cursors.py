"""Where the next part of a list begins, as an opaque word; pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from servicemanager.errors import ConfigurationError

#: Numbers of rows that both databases know.
LARGEST = (1 << 63) - 1


def encode(*values: str | int) -> str:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, *kinds: type[str | int]) -> Sequence[str | int]:
    """The values, each of its kind. Raises ConfigurationError where the word is none of ours."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeError, binascii.Error, ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or [type(value) for value in values] != list(kinds) or not all(map(_fits, values)):
        raise ConfigurationError("`after` is no mark of a list's next part: take it from `next` as it is.")
    return values


def decode_number(cursor: str | None) -> int | None:
    return None if cursor is None else int(decode(cursor, int)[0])


def _fits(value: str | int) -> bool:
    """Whether a database takes it: no number beyond its own, and no half of a surrogate pair."""
    return 0 <= value <= LARGEST if isinstance(value, int) else not any("\ud800" <= char <= "\udfff" for char in value)
