"""Clearing messages dies at any step: what is not due stays, and the next run deletes and counts the rest."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from servicemanager.iotdb.messages import Messages
from servicemanager.jobs.job import JobResult, Silence
from servicemanager.jobs.runner import Runner
from servicemanager.messages.cleanup import MessagesJob, Retention
from support.faults import Steps, watch_sql
from support.faults_export import LEASE
from support.iotdb import ZONE
from support.messages import MESSAGES

KEPT = {"young", "unread", "persistent"}
_DAYS = {
    "due": ("TRANSIENT", 9),
    "young": ("TRANSIENT", 1),
    "unread": ("TRANSIENT", None),
    "persistent": ("PERSISTENT", 9),
}


class Death(BaseException):
    """Nothing of the program catches it."""


def die(_):
    raise Death


def fill(iotdb) -> None:
    """Twelve that are due, between others that are not."""
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    rows = []
    for text, (delivery, days) in _DAYS.items():
        read = "NULL" if days is None else f"'{now - timedelta(days=days)}'"
        rows.append(f"('a', 'x', '{delivery}', '{text}', {read})")
    values = ",".join(rows * 12)
    iotdb.execute(
        "DELETE FROM Messages",
        f"INSERT INTO Messages (device, sender, delivery_type, message, readDate) VALUES {values}",
    )


def texts(iotdb) -> list[str]:
    return [text for (text,) in iotdb.execute("SELECT message FROM Messages")]


def clear(world, steps: Steps) -> JobResult:
    database = world.place.open_database()
    try:
        watch_sql(database, steps)
        job = MessagesJob(database, Messages.open(database, ZONE), Retention(timedelta(days=7)), chunk=3)
        return Runner(database, LEASE, Silence(), threading.Event()).run(job)
    finally:
        database.close()


@pytest.mark.parametrize("empty_world", ["sqlite, folder", "mariadb, folder"], indirect=True)
def test_a_cleanup_that_dies_at_any_step_is_finished_by_the_next_one(empty_world, thinned, subtests):
    world, iotdb, undisturbed = empty_world, empty_world.iotdb, Steps()
    if iotdb.database.dialect == "mysql":
        iotdb.execute(*MESSAGES[:2])
    fill(iotdb)
    assert clear(world, undisturbed).counts == {"read": 12, "read, (no group)": 12}
    for step in thinned(undisturbed.seen, 20):
        with subtests.test(died=str(step)):
            fill(iotdb)
            world.expire_lease()
            with pytest.raises(Death):
                clear(world, Steps({step.number}, die))
            left = texts(iotdb)
            assert {text: left.count(text) for text in KEPT} == dict.fromkeys(KEPT, 12)
            assert left.count("due") % 3 == 0, "a chunk was deleted in part"
            world.expire_lease()
            assert clear(world, Steps()).counts.get("read", 0) == left.count("due")
            assert set(texts(iotdb)) == KEPT
