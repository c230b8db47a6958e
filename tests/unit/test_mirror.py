"""A mirror is asked before a lease is taken, and must never hold that up for long."""

from __future__ import annotations

import socket
import time
from datetime import timedelta

from servicemanager.cluster.mirror import Mirror, patience


def test_a_silent_mirror_holds_a_takeover_up_by_a_part_of_a_short_lease_only():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        answer = Mirror(*silent.getsockname(), patience(timedelta(seconds=3))).ask()
    assert answer.role is None
    assert time.monotonic() - began < 1.5  # half a lease


def test_a_mirror_gets_two_seconds_where_the_lease_is_long_enough():
    assert patience(timedelta(seconds=15)) == 2
    assert patience(timedelta(minutes=5)) == 2
