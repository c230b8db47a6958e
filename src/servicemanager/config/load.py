"""From a file and an environment to settings that can be relied on, or to all mistakes at once.

Every value is read where it was written, so that a mistake has its place; then the layers are laid
over one another: defaults, the file's `default:` block, the block that NODE_ENV names, variables.
The environment and the directory are arguments: nothing here looks at the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from servicemanager.config.blocks import DEFAULT_BLOCK
from servicemanager.config.catalogue import SETTINGS
from servicemanager.config.checks import missing_database, mistakes_between, notices_on
from servicemanager.config.settings import Settings
from servicemanager.config.variables import first_configuring, lookalikes, read_variables, without_empty
from servicemanager.config.wording import listing, name_shown, nearest, shown
from servicemanager.config.written import Value, Written, lay_over, read_values
from servicemanager.config.yaml_file import ConfigFile, read_config_file
from servicemanager.errors import ConfigurationError

VARIABLES = "variables"
DEFAULT_ORIGIN = "default"
DEFAULT_ENVIRONMENT = "development"


#: What is written, by the layer that holds it: a block of the file, or the variables.
Layers = dict[str, tuple[Written, ...]]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings in force, where each came from (by key), and what a person should know about them."""

    settings: Settings
    origins: Mapping[str, str]
    notices: tuple[str, ...]
    #: Nothing at all is configured: the embedded database and folder serve.
    embedded: bool


def load(environ: Mapping[str, str], directory: Path, *, needs_database: bool = True) -> Loaded:
    """Read `config/config.yml` below the directory, or CONFIG_FILE, and the variables.

    Raises ConfigurationError with a sentence for each mistake. Without `needs_database` a
    missing host or account is none.
    """
    environ = without_empty(environ)
    file = read_config_file(environ.get("CONFIG_FILE", "").strip() or None, directory)
    mistakes: list[str] = []
    written = _written(environ, file, directory, mistakes)
    values = _in_force(written, environ, mistakes)
    origins = {key: value.origin for key, value in values.items()}
    settings = _settings(values.values())
    mistakes += mistakes_between(settings, origins)
    configured_by = _configured_by(environ, file)
    if needs_database and configured_by:
        mistakes += missing_database(_keys_in_force(written, environ), configured_by)
    if mistakes:
        raise ConfigurationError(*dict.fromkeys(mistakes))
    return Loaded(
        settings=settings,
        origins=MappingProxyType({one.key: origins.get(one.key, DEFAULT_ORIGIN) for one in SETTINGS}),
        notices=tuple(_notices(environ, file, settings, origins, embedded=not configured_by)),
        embedded=not configured_by,
    )


def _written(environ: Mapping[str, str], file: ConfigFile | None, directory: Path, mistakes: list[str]) -> Layers:
    """What each block of the file says, and what the variables say."""
    layers: Layers = {}
    if file is not None:
        mistakes += file.mistakes
        mistakes += _no_block_in_force(environ, file)
        layers |= {_block(name): written for name, written in file.blocks.items()}
    return layers | {VARIABLES: tuple(read_variables(environ, directory, mistakes))}


def _in_force(layers: Layers, environ: Mapping[str, str], mistakes: list[str]) -> dict[str, Value]:
    """The value in force of each key that somebody wrote; every layer is read, in force or not."""
    texts = (one.text for written in layers.values() for one in written if one.setting.secret)
    secrets = frozenset(texts)
    read = {name: lay_over(read_values(written, secrets, mistakes), mistakes) for name, written in layers.items()}
    values: dict[str, Value] = {}
    for name in _order(environ):
        values |= read.get(name, {})
    return values


def _order(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The layers in force; a later one beats an earlier one."""
    return (_block(DEFAULT_BLOCK), _block(environment_of(environ)), VARIABLES)


def _keys_in_force(layers: Layers, environ: Mapping[str, str]) -> set[str]:
    """The keys that are written at all, be it wrongly."""
    return {one.setting.key for name in _order(environ) for one in layers.get(name, ())}


def environment_of(environ: Mapping[str, str]) -> str:
    """The name of the environment, whose block is laid over the default one."""
    return environ.get("NODE_ENV", "").strip() or DEFAULT_ENVIRONMENT


def _block(name: str) -> str:
    return f"block {name}"


def _settings(values: Iterable[Value]) -> Settings:
    content: dict[str, Any] = {}
    for value in values:
        *groups, name = value.setting.path
        group = content
        for inner in groups:
            group = group.setdefault(inner, {})
        group[name] = value.value
    return Settings(**content)


def _configured_by(environ: Mapping[str, str], file: ConfigFile | None) -> str:
    """What makes this more than a try-out on an empty machine; empty if nothing does."""
    if file is not None:
        return f"{file.name} is there"
    variable = first_configuring(environ)
    return f"{name_shown(variable)} is set" if variable else ""


def _no_block_in_force(environ: Mapping[str, str], file: ConfigFile) -> Iterator[str]:
    environment = environment_of(environ)
    if file.blocks and not file.blocks.keys() & {DEFAULT_BLOCK, environment}:
        there = listing(map(name_shown, file.blocks))
        yield (
            f"{file.name}: neither a block `{DEFAULT_BLOCK}:` nor one for the environment"
            f" {shown(environment)} (NODE_ENV) is there, only {there}. Settings belong under"
            f" `{DEFAULT_BLOCK}:`, and what differs in one environment under its name."
        )


def _notices(
    environ: Mapping[str, str],
    file: ConfigFile | None,
    settings: Settings,
    origins: Mapping[str, str],
    *,
    embedded: bool,
) -> Iterator[str]:
    if file is not None:
        yield from file.notices
        yield from _unused_blocks(environ, file)
    yield from lookalikes(environ)
    yield from notices_on(settings, origins, embedded=embedded)


def _unused_blocks(environ: Mapping[str, str], file: ConfigFile) -> Iterator[str]:
    """A misspelt block says nothing by itself: its settings would be missed silently."""
    others = file.blocks.keys() - {DEFAULT_BLOCK, environment_of(environ)}
    if DEFAULT_BLOCK not in file.blocks and (near := nearest(DEFAULT_BLOCK, others)):
        yield f"{file.name}: there is no block `{DEFAULT_BLOCK}:`; did you mean it where {name_shown(near)} stands?"
    if "NODE_ENV" in environ and environment_of(environ) not in file.blocks and others:
        yield (
            f"{file.name}: NODE_ENV is {shown(environment_of(environ))}, but there is no such block"
            f" beside `{DEFAULT_BLOCK}:`, only {listing(sorted(map(name_shown, others)))}."
        )
