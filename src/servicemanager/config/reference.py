"""docs/reference/settings.md, written from the table of settings.

`python -m servicemanager.config.reference > docs/reference/settings.md`; a test holds the committed
file against this.
"""

from __future__ import annotations

import sys
from itertools import groupby

from servicemanager.config.catalogue import SETTINGS, Setting, heading_of, render

INTRODUCTION = """\
# Settings

<!-- Generated: python -m servicemanager.config.reference > docs/reference/settings.md -->

A setting is given in the file, in a variable, or not at all. `servicemanager config` prints the
values in force and where each came from.

- The file is `./config/config.yml`, or the one that `CONFIG_FILE` names. Its `default:` block holds
  settings; a block named after the environment (`NODE_ENV`, by default `development`) is laid over
  it, setting by setting.
- A variable beats the file. An empty value or variable is the same as none.
- A secret can stand in a file of its own: `NAME_FILE` names it, and one line break at its end is left out.
- `true`, `yes`, `on` and `1` mean true, `false`, `no`, `off` and `0` mean false, in quotes or not.
- All mistakes are reported at once, each with its place, before anything starts (exit status 2). Two
  names of one setting that contradict each other are a mistake.
- With nothing configured at all (no file, no variable that begins with `MYSQL_` or `EXPORT_`, none of
  the `AWS_` ones below, no `MIRROR`), an embedded database and an archive folder below
  `./servicemanager-data/` are used.
"""
HEAD = "| Key | Variable | Default | Accepted | Meaning |\n|---|---|---|---|---|\n"


def settings_reference() -> str:
    """The whole document, as Markdown."""
    sections = groupby(SETTINGS, key=lambda setting: setting.path[:-1])
    return INTRODUCTION + "".join(_section(list(settings)) for _, settings in sections)


def _section(settings: list[Setting]) -> str:
    first = settings[0]
    name = f"`{first.path[0]}`: " if first.path[1:] else ""
    heading = heading_of(first).removesuffix(".")
    return f"\n## {name}{heading}\n\n{HEAD}" + "".join(_row(setting) for setting in settings)


def _row(setting: Setting) -> str:
    secret = " Secret." if setting.secret else ""
    cells = (
        _codes(setting.keys),
        _codes((*setting.variables, *setting.file_variables)),
        "" if setting.default in {None, "", ()} else f"`{render(setting.default)}`",
        setting.right,
        setting.about.meaning + secret,
    )
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |\n"


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(settings_reference())
