"""The configuration file: found, read and composed into blocks.

The document is composed, never constructed: every value stays the text that was written, so that a
port, a "false" in quotes and a variable are read alike, and no tag can run anything. What the YAML
library says about a broken file is passed on only as far as it quotes nothing of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from servicemanager.config.blocks import BlockReader
from servicemanager.config.written import Written, read_text, why_unreadable

DEFAULT_FILE = "config/config.yml"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a configuration file says, block by block, and what is wrong with it."""

    name: str
    blocks: dict[str, tuple[Written, ...]]
    mistakes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def read_config_file(named: str | None, directory: Path) -> ConfigFile | None:
    """The file that CONFIG_FILE names, or the default one if there is one; never raises."""
    name = named or DEFAULT_FILE
    try:
        text = read_text(directory / name)
    except (FileNotFoundError, NotADirectoryError):
        missing = f"variable CONFIG_FILE: there is no file {name}. It should name a file, or be left out."
        return ConfigFile(name, {}, (missing,)) if named else None
    except (OSError, ValueError) as error:
        return ConfigFile(name, {}, (f"{name}: the file can't be read: {why_unreadable(error)}.",))
    return parse_config(name, text)


def parse_config(name: str, text: str) -> ConfigFile:
    """The blocks in a file's text; `name` is how mistakes call the file."""
    reader = BlockReader(name)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        blocks = reader.blocks(root) if root is not None else {}
    except yaml.YAMLError as error:
        return ConfigFile(name, {}, (_broken(name, text, error),))
    except RecursionError:
        return ConfigFile(name, {}, (f"{name}: groups are nested too deeply.",))
    return ConfigFile(name, blocks, tuple(dict.fromkeys(reader.mistakes)), tuple(reader.notices))


def _broken(name: str, text: str, error: yaml.YAMLError) -> str:
    line, since = _place(text, error)
    begun = f", in what begins on line {since}" if since else ""
    return (
        f"{name}:{line}: this is not YAML{_problem(error)}{begun}. Look here and on the line before"
        " for a tab, a colon without a space after it, an indentation that differs, a missing quotation"
        " mark, or a value that needs quotes because of a character such as : # @ % & * ! | > { } [ ] in it."
    )


def _place(text: str, error: yaml.YAMLError) -> tuple[int, int | None]:
    """The line of the mistake, and the line where what is broken begins, if it is another one."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return text.count("\n", 0, getattr(error, "position", 0)) + 1, None
    begun, found = error.context_mark, error.problem_mark
    if begun and (found is None or (error.context or "").startswith("while scanning")):
        return begun.line + 1, None  # an open quotation mark is missed only at the end of the file
    if found is None:
        return 1, None
    return found.line + 1, begun.line + 1 if begun and begun.line != found.line else None


def _problem(error: yaml.YAMLError) -> str:
    """The library's words up to the first quotation mark: behind it stands what the file says."""
    words = getattr(error, "problem", None) or ""
    head, quote, _ = words.replace('"', "'").partition("'")
    return f" ({head}{'…' if quote else ''})" if head.strip() else ""
