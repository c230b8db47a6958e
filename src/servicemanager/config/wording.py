"""How a mistake is put into words without giving a secret away.

A value is quoted only through `shown`, a key that nobody knows only through `name_shown`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

LONGEST_QUOTE = 60

_LOGIN = re.compile(r"//[^/\s]*@")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def nearest(name: str, known: Iterable[str], closeness: float = 0.6) -> str | None:
    """The known name that the given one resembles most, capitals aside; None if none is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower()[:64], by_lower, n=1, cutoff=closeness)
    return by_lower[found[0]] if found else None


def shown(text: str, secrets: Iterable[str] = ()) -> str:
    """The text between quotes, on one line and cut; not at all if it holds one of the secrets."""
    if any(secret and secret in text for secret in secrets):
        return "not shown, as it holds a secret"
    text = _LOGIN.sub("//…@", text)
    if len(text) > LONGEST_QUOTE:
        text = text[:LONGEST_QUOTE] + "…"
    return repr(text)


def name_shown(name: str) -> str:
    """A key as far as it looks like one: `password:hunter2` is a key and a value run together."""
    match = _NAME.match(name)
    head = match[0] if match else ""
    return head if head == name else f"{head}…"


def listing(names: Iterable[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last
