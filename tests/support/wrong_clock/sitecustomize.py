"""Imported by a Python whose wall clock is off: it lets `time.sleep` wait in another way.

Python sleeps until a moment of the monotonic clock. Libfaketime, told to leave that clock alone, spoils the moment, and
the system refuses it with EINVAL.
"""

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = _sleep
