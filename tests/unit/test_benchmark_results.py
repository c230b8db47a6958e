"""RESULTS.md holds what several benchmarks wrote, each at another time."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def harness() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "harness.py"
    spec = importlib.util.spec_from_file_location("benchmark_harness", path)
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their own module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_benchmark_replaces_its_own_part_and_leaves_the_others_in_their_places(harness):
    results = harness.with_part("", "# Health", "## 1 row\n\nslow\n")
    results = harness.with_part(results, "# Failover", "two masters\n")
    assert results == "# Health\n\n## 1 row\n\nslow\n\n# Failover\n\ntwo masters\n"
    results = harness.with_part(results, "# Health", "## 1 row\n\nfast\n")
    assert harness.with_part(results, "# Failover", "one\n") == "# Health\n\n## 1 row\n\nfast\n\n# Failover\n\none\n"
