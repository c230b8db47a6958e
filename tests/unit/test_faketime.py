"""A wrong wall clock is wrong, and nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from support.faketime import wall_clock_off_by

PROGRAM = """
import json, threading, time
began = time.monotonic()
time.sleep(0.1)
threading.Event().wait(0.1)
print(json.dumps([time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic() - began]))
"""


@pytest.mark.parametrize(("offset", "seconds"), [("+1h", 3600), ("-1h", -3600)])
def test_only_the_wall_clock_is_off(offset, seconds):
    environ = {**os.environ, **wall_clock_off_by(offset)}
    told = json.loads(
        subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, check=True).stdout
    )
    wall, steady, boot, waited = told
    assert wall == pytest.approx(time.time() + seconds, abs=30)
    assert steady == pytest.approx(time.monotonic(), abs=30)
    assert boot == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=30)
    assert 0.2 <= waited < 10
