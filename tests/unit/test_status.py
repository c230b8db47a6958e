"""What `status` calls a problem."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from servicemanager.alerts.outbox import Undelivered
from servicemanager.alerts.standing import Standing
from servicemanager.cluster.mirror import Answer
from servicemanager.cluster.role import Leader, Role
from servicemanager.service.status import Status

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SILENT = Answer(None, False, "does not answer")
LEADS = Leader("a, process 1", 1, NOW + timedelta(seconds=9), None)


def status(leader: Leader | None, mirror: Answer | None) -> Status:
    nothing = Standing((), Undelivered(0, None, None, None))
    return Status(NOW, leader, SILENT, mirror, (), nothing, None, ())


@pytest.mark.parametrize(
    ("leader", "mirror", "fine"),
    [
        (LEADS, None, True),
        (None, None, False),
        (Leader(None, 1, NOW, None), SILENT, False),
        # A Node version leads while a fleet is migrated, and that is as it should be.
        (None, Answer(Role.MASTER, False, "MASTER"), True),
        # One of ours says so without the lease: it has just lost the database.
        (None, Answer(Role.MASTER, True, "MASTER"), False),
    ],
)
def test_somebody_has_to_lead(leader, mirror, fine):
    assert (list(status(leader, mirror).problems()) == []) is fine
