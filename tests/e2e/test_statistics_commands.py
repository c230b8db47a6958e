"""`statistics` and `messages` as commands: what they print, change and answer, on the embedded database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.cli import Ran, servicemanager
from support.exports import days_ago
from support.iotdb import Iotdb, reading, sqlite_iotdb
from support.statistics import published

NOISY = [0, 10, 90]
STEADY = [250, 258, 242]


@pytest.fixture
def iotdb(tmp_path) -> Iterator[Iotdb]:
    """A working directory whose embedded database holds readings and messages."""
    made = sqlite_iotdb(tmp_path / "servicemanager-data" / "iotdb.sqlite")
    for day in (1, 0):
        made.insert([reading(days_ago(day, 0), device="noisy", data=value) for value in NOISY])
        made.insert([reading(days_ago(day, 0), device="steady", data=value) for value in STEADY])
    message = "INSERT INTO Messages (device, sender, delivery_type, message, readDate) VALUES "
    made.execute(message + "('noisy', 'x', 'TRANSIENT', 'old', '2020-01-01'), ('noisy', 'x', 'TRANSIENT', 'new', NULL)")
    yield made
    made.database.close()


@pytest.fixture
def run(iotdb, tmp_path):
    def command(*arguments: str) -> Ran:
        return servicemanager(*arguments, environ={"STATISTICS_DAYS": "2"}, folder=tmp_path)

    return command


def test_statistics_tell_what_they_would_change_publish_it_and_say_why_a_sensor_is_withheld(iotdb, run):
    told = run("statistics", "--diff", "--json").document
    (change,) = told["changes"]
    assert (change["kind"], change["before"], change["after"]["device"]) == ("new", None, "noisy")
    assert published(iotdb) == {}
    done = run("statistics", "--json")
    assert done.status == 0
    assert done.document["counts"] == {"days_summed_up": 1, "pairs_published": 1, "pairs_unfit": 1}
    (unfit,) = done.document["unfit"]
    assert (unfit["device"], unfit["average"]) == ("steady", 250)
    assert "most of its readings would be thrown away" in unfit["reason"]
    assert published(iotdb).keys() == {("noisy", 1)}
    rebuilt = run("statistics", "--rebuild")
    assert "steady" in rebuilt.stdout
    assert "were withheld, so the gateway does not filter them" in rebuilt.notes[0]


def test_a_table_that_would_shrink_is_left_as_it_is_with_status_1_unless_forced(iotdb, run):
    row = "INSERT INTO DeviceStatistics (device, sensor, average, deviation, error) VALUES "
    iotdb.execute(row + ",".join(f"('gone', {n}, 1, 1, 1)" for n in range(9)))
    held = run("statistics")
    assert held.status == 1
    assert "of its 9 rows 1 would remain. If that is meant, publish with --force." in held.sentence
    assert len(published(iotdb)) == 9
    assert run("statistics", "--force").status == 0
    assert published(iotdb).keys() == {("noisy", 1)}


def test_a_dry_run_of_messages_tells_what_the_run_then_deletes(iotdb, run):
    planned = run("messages", "--dry-run", "--json")
    assert (planned.status, planned.document["counts"]) == (0, {"read, (no group)": 1})
    assert len(iotdb.execute("SELECT ID FROM Messages")) == 2
    assert run("messages", "--json").document["counts"] == {"read": 1, "read, (no group)": 1}
    assert iotdb.execute("SELECT message FROM Messages") == [("new",)]
    assert run("messages").stdout == "There is nothing to do.\n"
