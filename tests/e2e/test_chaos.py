"""A short one of the long random runs that `make chaos` is."""

from __future__ import annotations

import time

from support.chaos import Chaos, restarts_of

#: No new fault begins after that.
SECONDS = 15
SEED = 11


def test_whatever_happens_to_whom_two_terms_never_work_and_no_row_is_lost_or_doubled(cluster):
    chaos = Chaos(cluster, SEED, restarts_of(cluster.server))
    began = time.monotonic()
    faults = []
    while time.monotonic() - began < SECONDS:
        faults.append(chaos.strike())
    verdict = cluster.finish()
    assert verdict.troubles == [], faults
    assert all(fault.takeover is None or fault.takeover < cluster.crash_limit for fault in faults), faults
