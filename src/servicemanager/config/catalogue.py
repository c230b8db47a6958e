"""The table of settings, derived from the models: what each is called, accepts and means.

Nothing is listed here that a field of `settings.py` does not say. `read` turns the text of a file or
a variable into a value; its refusals say what would be right and never quote the text.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import ConfigDict, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from servicemanager.config.section import About, Section
from servicemanager.config.settings import Settings
from servicemanager.config.values import Right

MASK = "********"

#: Subscribed at run time, which a type checker takes for a type it should know.
_ANNOTATED: Any = Annotated
_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    path: tuple[str, ...]
    key: str
    about: About
    right: str
    default: object
    secret: bool
    annotation: Any = field(repr=False)

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that it has in the file, the usual one first."""
        return (self.key, self.about.also_key) if self.about.also_key else (self.key,)

    @property
    def variables(self) -> tuple[str, ...]:
        """All variables that hold it, the usual one first."""
        names = tuple(variable_of(key) for key in self.keys)
        return (*names, self.about.also_variable) if self.about.also_variable else names

    @property
    def file_variables(self) -> tuple[str, ...]:
        """The variables that name a file which holds it; secrets only."""
        return tuple(f"{name}_FILE" for name in self.variables) if self.secret else ()

    @property
    def listed(self) -> bool:
        """Whether the file may give it as a list."""
        return isinstance(self.default, tuple)

    @cached_property
    def _adapter(self) -> TypeAdapter[object]:
        return TypeAdapter(self.annotation, config=ConfigDict(hide_input_in_errors=True))

    def read(self, text: str) -> object:
        """The value that the text stands for; raises ValueError with the reason, if there is one."""
        if not (text.isprintable() or self.secret):
            raise ValueError("it holds a character that can't be printed")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise ValueError("it is not UTF-8 text")
        try:
            return self._adapter.validate_python(text)
        except ValidationError as error:
            cause = error.errors(include_url=False, include_input=False)[0].get("ctx", {}).get("error", "")
            raise ValueError(str(cause)) from None


def variable_of(key: str) -> str:
    return key.upper().replace(".", "_")


def render(value: object) -> str:
    """A value as one writes it in a file; secrets are masked."""
    match value:
        case None | ():
            return "not set"
        case SecretStr():
            return MASK
        case bool():
            return str(value).lower()
        case timedelta():
            return f"{value.total_seconds():.3f}".rstrip("0").rstrip(".") + "s"
        case tuple():
            return ", ".join(str(part) for part in value)
    return str(value)


def plain_value(value: object) -> object:
    """A value as JSON has it: numbers, truths and nulls stay, spans and paths become text."""
    match value:
        case SecretStr() | timedelta() | Path():
            return render(value)
        case tuple():
            return list(value)
    return value


def value_of(settings: Settings, setting: Setting) -> object:
    value: object = settings
    for name in setting.path:
        value = getattr(value, name)
    return value


def heading_of(setting: Setting) -> str:
    """The sentence of the section to which the setting belongs."""
    model: type[Section] = Settings
    for name in setting.path[:-1]:
        model = _section(Settings.model_fields[name]) or model
    return model.__doc__ or ""


def _section(info: FieldInfo) -> type[Section] | None:
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _collect(model: type[Section], path: tuple[str, ...] = ()) -> Iterator[Setting]:
    for name, info in model.model_fields.items():
        inner = _section(info)
        if inner is not None:
            yield from _collect(inner, (*path, name))
        else:
            yield _setting((*path, name), info)


def _setting(path: tuple[str, ...], info: FieldInfo) -> Setting:
    annotation = _ANNOTATED[info.annotation, *info.metadata]
    return Setting(
        path=path,
        key=".".join(_camel(name) for name in path),
        about=next(part for part in info.metadata if isinstance(part, About)),
        right=_right(annotation),
        default=info.default,
        secret=SecretStr in _leaves(info.annotation),
        annotation=annotation,
    )


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _leaves(annotation: object) -> Iterator[object]:
    """An annotation's types and metadata, from the outside in."""
    yield annotation
    if isinstance(annotation, types.GenericAlias):
        return  # what is inside tuple[str, ...] is not the setting's own type
    for part in get_args(annotation):
        yield from _leaves(part)


def _right(annotation: object) -> str:
    leaves = list(_leaves(annotation))
    words = next((leaf.words for leaf in leaves if isinstance(leaf, Right)), "")
    kind = next((leaf for leaf in leaves if isinstance(leaf, type)), str)
    if words:
        return words
    if issubclass(kind, StrEnum):
        return f"one of {', '.join(kind)}"
    return _PLAIN.get(kind, "text") + _bounds(leaves)


def _bounds(leaves: list[object]) -> str:
    low = next((leaf.ge for leaf in leaves if hasattr(leaf, "ge")), None)
    high = next((leaf.le for leaf in leaves if hasattr(leaf, "le")), None)
    return "" if low is None else f" from {low} to {high}"


#: Every setting: the general ones, then section by section.
SETTINGS: tuple[Setting, ...] = tuple(_collect(Settings))
BY_KEY = {key: setting for setting in SETTINGS for key in setting.keys}
