"""What a process that does heavy work settles about itself before it begins."""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from contextlib import suppress

from servicemanager.errors import DatabaseUnreachable

#: On the scale of `nice`, by which whoever else wants a processor gets it first.
_IN_NO_HURRY = 10
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # from glibc's malloc.h


def settle() -> None:
    """Keep native noise off stderr, and memory small. Called once, before Arrow is loaded and threads start."""
    part_from_native_stderr()
    share_one_arena()


def part_from_native_stderr() -> None:
    """Give Python's stderr a descriptor of its own and let native libraries write to nowhere.

    What they have to say there (Arrow's warnings, an allocator's) is no sentence for people, and may come in
    the middle of one.
    """
    sys.stderr.flush()
    own = os.dup(2)
    os.set_inheritable(own, False)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = os.fdopen(own, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)


def give_way() -> None:
    """Let a database and a gateway on the same machine go first, until this process ends."""
    os.nice(_IN_NO_HURRY)


def account_name() -> str:
    """The system account that runs this process, for records; its number where it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"account {os.getuid()}"


def give_up(sentence: str) -> None:
    """End at once: the main thread waits in a native call that nothing else can end. What it held can't commit."""
    sys.stderr.write(f"servicemanager: {sentence} The run is given up; the next one goes on from here.\n")
    sys.stderr.flush()
    os._exit(DatabaseUnreachable.exit_status)


def share_one_arena() -> None:
    """Give what is freed back to the system: every thread's arena and Arrow's own allocator would keep some.

    Measured on an export of a million rows: 212 MB at the most instead of 296, in the same time.
    """
    # Read when Arrow is loaded; most of it does not look at pyarrow's set_memory_pool().
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with suppress(AttributeError, OSError):  # not glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        # Left to itself this grows, and what is not mapped by itself leaves holes when it is freed.
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 20)
