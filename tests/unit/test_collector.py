"""The collector of garbage rests while modules are loaded, and comes back."""

from __future__ import annotations

import gc
import subprocess
import sys
import time

import pytest

from servicemanager.cli.collector import resting_collector


@pytest.fixture(autouse=True)
def _own_collector():
    yield
    gc.unfreeze()
    gc.enable()


def test_the_collector_rests_at_first_and_works_again_soon():
    with resting_collector(60):
        assert not gc.isenabled()
    with resting_collector(0.01):
        deadline = time.monotonic() + 10
        while not gc.isenabled() and time.monotonic() < deadline:
            time.sleep(0.001)
        assert gc.isenabled()


def test_whatever_a_command_raises_its_timer_ends_with_it():
    with pytest.raises(SystemExit), resting_collector(0.05):
        raise SystemExit(3)
    assert gc.get_freeze_count()


def test_a_command_s_status_and_words_are_as_before():
    done = subprocess.run(
        [sys.executable, "-m", "servicemanager", "no-such-command"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "no-such-command" in done.stderr
