"""A wall clock that is off, by libfaketime."""

from __future__ import annotations

from pathlib import Path

import pytest


def wall_clock_off_by(offset: str) -> dict[str, str]:
    """Variables with which a program's wall clock is off by `offset`, such as +1h, and no other clock of it."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.exit("libfaketime was not found: install the package faketime, as `make test` does.", returncode=2)
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": str(Path(__file__).with_name("wrong_clock")),
    }
