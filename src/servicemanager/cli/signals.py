"""How a signal asks a run to stop.

Python calls a signal's handler between two of its own instructions only: while a native library waits for
a silent server there are none. The system's number of the signal, which Python writes into a socket at
once, is therefore read by a thread.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopped_by_signals(hangup: threading.Event | None = None) -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets; the second one ends the process at once. SIGHUP sets `hangup`."""
    stop = threading.Event()
    numbers = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hangup else [])]
    here, there = socket.socketpair()
    there.setblocking(False)
    # The handlers do nothing, but without them Python would not hear of the signals.
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    woken_before = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(target=_listen, args=(here, stop, hangup), name="signals", daemon=True)
    listener.start()
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(woken_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        there.close()
        listener.join()
        here.close()


def _listen(here: socket.socket, stop: threading.Event, hangup: threading.Event | None) -> None:
    while heard := here.recv(1):
        if heard[0] == signal.SIGHUP and hangup:
            hangup.set()
        if heard[0] not in {signal.SIGTERM, signal.SIGINT}:
            continue
        if stop.is_set():
            os._exit(128 + heard[0])  # as a shell reports a process that the signal ended
        stop.set()
