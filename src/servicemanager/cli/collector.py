"""Python's collector of garbage, kept away from what is none: modules while they are loaded, and everything at the end.

It took a third of the processor's time of a command that had nothing to do.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds in which the modules of every command are loaded. Nothing grows large in them.
LOADING = 2.0


@contextmanager
def resting_collector(seconds: float = LOADING) -> Iterator[None]:
    """Collect nothing in the first `seconds`, nor what is left when the block ends: the process must end with it."""
    gc.disable()
    timer = threading.Timer(seconds, gc.enable)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # The interpreter looks at whatever is not frozen once more before it ends.
        gc.freeze()
