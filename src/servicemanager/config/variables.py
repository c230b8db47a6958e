"""Settings from environment variables, and secrets from the files that they name.

Empty means unset. A variable that looks like ours and is none gets a notice, not a mistake: the
environment belongs to others too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from servicemanager.config.catalogue import SETTINGS, Setting
from servicemanager.config.wording import name_shown, nearest
from servicemanager.config.written import Written, read_text, why_unreadable

#: How near to one of ours a foreign name has to be to get a notice, by how it begins. AWS_ is left
#: alone: AWS's own variables resemble ours and are right.
LOOKALIKES = {"EXPORT_": 0.0, "SCHEDULER_": 0.0, "MYSQL_": 0.9}
#: Any of these, or MIRROR, means that somebody configured something. Of AWS_ only our own names count:
#: a machine sets AWS_CA_BUNDLE or AWS_PROFILE for everybody.
CONFIGURING = ("MYSQL_", "EXPORT_")

_KNOWN = {name for setting in SETTINGS for name in (*setting.variables, *setting.file_variables)}


def without_empty(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that are set to something; spaces alone are nothing."""
    return {name: text for name, text in environ.items() if text.strip()}


def read_variables(environ: Mapping[str, str], directory: Path, mistakes: list[str]) -> Iterator[Written]:
    """What the variables say; files that they name are looked for from the directory."""
    for setting in SETTINGS:
        for name in setting.variables:
            if name in environ:
                text = environ[name] if setting.secret else environ[name].strip()
                yield Written(setting, name, f"variable {name}", text)
        for name in setting.file_variables:
            if name in environ:
                yield from _from_file(setting, name, environ, directory, mistakes)


def _from_file(
    setting: Setting, name: str, environ: Mapping[str, str], directory: Path, mistakes: list[str]
) -> Iterator[Written]:
    direct, path = name.removesuffix("_FILE"), environ[name]
    if direct in environ:
        mistakes.append(f"variables {direct} and {name} are both set: keep one of them.")
        return
    try:
        text = read_text(directory / path)
    except (OSError, ValueError) as error:
        mistakes.append(f"variable {name}: the file that it names can't be read: {why_unreadable(error)}.")
        return
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        mistakes.append(f"variable {name}: the file that it names is empty. It should hold the secret.")
        return
    yield Written(setting, name, f"file {path} named by {name}", text)


def first_configuring(environ: Mapping[str, str]) -> str | None:
    """A variable that says this is no try-out on an empty machine; one of ours, if there is one."""
    names = [name for name in environ if name.startswith(CONFIGURING) or name == "MIRROR"]
    names += [name for name in environ if name.startswith("AWS_") and name in _KNOWN]
    return min(names, key=lambda name: (name not in _KNOWN, name), default=None)


def lookalikes(environ: Mapping[str, str]) -> Iterator[str]:
    """A notice for each variable that nobody reads though it looks like one of ours."""
    for name in sorted(environ.keys() - _KNOWN):
        for start, closeness in LOOKALIKES.items():
            if name.startswith(start) and (near := nearest(name, _KNOWN, closeness)):
                yield f"variable {name_shown(name)} is not a setting and is ignored; the nearest is {near}."
