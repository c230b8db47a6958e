"""What is installed on a machine that only runs the service: as much as it needs, in the versions that were tested."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.docs import ROOT

_PIN = re.compile(r"^([\w.-]+)==(\S+).*((?:\n .*)*)", re.MULTILINE)


def pins(path: str) -> dict[str, set[str]]:
    """Each package with its pins: version and hashes. Where each applies depends on what else is installed."""
    found: dict[str, set[str]] = {}
    for match in _PIN.finditer((ROOT / path).read_text()):
        found.setdefault(canonicalize_name(match[1]), set()).add(match[2] + match[3])
    return found


def needed(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """A package and all that it needs here, as the packages themselves say."""
    found, todo = set(), [(name, extras)]
    while todo:
        package, wanted = todo.pop()
        if (package, wanted) in found:
            continue
        found.add((package, wanted))
        try:
            lines = requires(package) or []
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, lines):
            markers = [{"extra": extra} for extra in wanted or {""}]
            if not requirement.marker or any(map(requirement.marker.evaluate, markers)):
                todo.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {package for package, _ in found}


def test_the_service_is_installed_in_the_versions_that_are_tested():
    tested, installed = pins("requirements.lock"), pins("packaging/requirements.lock")
    assert {name: installed[name] for name in installed} == {name: tested.get(name) for name in installed}, "make lock"


def test_everything_that_the_service_needs_is_installed_with_it_and_no_tool_of_ours():
    installed = pins("packaging/requirements.lock").keys()
    assert needed("servicemanager") - {"servicemanager"} <= installed, "make lock"
    assert needed("hatchling") <= installed, "make lock"
    assert not installed & {"pytest", "moto", "mypy", "ruff"}
