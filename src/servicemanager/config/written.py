"""A value as somebody wrote it, before it is read: the text, its name and its place.

File and variables both end here, so that a mistake reads alike wherever it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from servicemanager.config.catalogue import Setting
from servicemanager.config.wording import listing, shown

LARGEST_FILE = 1 << 20
#: How a Kubernetes Service named `mysql` fills MYSQL_PORT, unasked.
_SERVICE_LINK = "tcp://"


@dataclass(frozen=True, slots=True)
class Written:
    """The text that stands for a setting; the name it was given under, and where."""

    setting: Setting
    name: str
    origin: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Value:
    """What a written text means."""

    setting: Setting
    name: str
    origin: str
    value: object = field(repr=False)


def read_values(written: Iterable[Written], secrets: frozenset[str], mistakes: list[str]) -> Iterator[Value]:
    """The values of texts; one that can't be read becomes a mistake, and shows none of the secrets."""
    for one in written:
        try:
            yield Value(one.setting, one.name, one.origin, one.setting.read(one.text))
        except ValueError as error:
            mistakes.append(_mistake(one, str(error), secrets))


def _mistake(one: Written, reason: str, secrets: frozenset[str]) -> str:
    quoted = "can't be read" if one.setting.secret else f"is {shown(one.text, secrets)}"
    because = f": {reason}" if reason else ""
    link = one.text.startswith(_SERVICE_LINK) and one.name.endswith("_PORT")
    hint = " (Kubernetes sets this for a Service of that name, unless enableServiceLinks is false)"
    return f"{one.origin}: {one.setting.key} {quoted}{because}. It should be {one.setting.right}{hint if link else ''}."


def lay_over(values: Iterable[Value], mistakes: list[str]) -> Mapping[str, Value]:
    """One layer of values by key; two names of one setting that disagree are a mistake."""
    layer: dict[str, list[Value]] = {}
    for value in values:
        layer.setdefault(value.setting.key, []).append(value)
    for key, same in layer.items():
        if any(other.value != same[0].value for other in same):
            places = listing(f"{other.name} in {other.origin}" for other in same)
            mistakes.append(f"{places} contradict each other: both mean {key}. Keep one of them.")
    return {key: same[-1] for key, same in layer.items()}


def read_text(path: Path) -> str:
    """The text of a small file, be it a pipe; raises OSError, or ValueError in words of our own."""
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ValueError("it is larger than 1 MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8 text") from None


def why_unreadable(error: OSError | ValueError) -> str:
    """The reason in words, without the path or a byte of the file."""
    return (error.strerror or "it can't be opened") if isinstance(error, OSError) else str(error)
