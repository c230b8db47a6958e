"""The desk's answers over real databases: each is what the database says, and what is done there is on record."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from servicemanager.alerts.silence import Target
from servicemanager.archive.folder import FolderStore
from servicemanager.cluster.lease import acquire
from servicemanager.errors import ConfigurationError, DatabaseBusy, DatabaseUnreachable, LeaseHeld, NotFound
from servicemanager.iotdb.upgrade import upgrade
from servicemanager.jobs.history import History
from servicemanager.jobs.job import JobResult, Outcome, Silence
from servicemanager.jobs.recorded import recorded
from servicemanager.jobs.runner import Runner
from servicemanager.web.documents.archive import DayState
from servicemanager.web.documents.incidents import AddSilence
from support.cli import until
from support.exports import days_ago, make_job
from support.iotdb import facts_ddl, mysql_iotdb, reading
from support.leases import MINUTE
from support.mariadb import free_port
from support.service_desk import opened

HOSTILE = "</script><b>'\";--\u202e"[:20]


@pytest.fixture
def outage(office):
    """Two shops are down, one of which is nobody's business at the moment; a third is well."""
    office.platform.register("shop 1", "A1", "A2", "A3")
    office.platform.register(HOSTILE, "B1")
    office.platform.register("shop 3", "C1", "C2", "C3", "C4")
    office.announce(["C1", "C2", "C3", "C4"])
    office.announce(["A1", "A2", "A3", "B1"], 90)
    office.check()
    return office


def test_the_overview_says_first_what_needs_attention(outage):
    overview = outage.desk.overview()
    assert overview.summary.startswith("No instance is MASTER, so no job runs. And 2 more things")
    assert [each.page for each in overview.attention] == ["/jobs", "/incidents/1", "/incidents/2"]
    assert "Shop 1: 3 silent, for less than a minute." in [each.sentence for each in overview.attention]
    assert {each.title for each in overview.incidents} == {"shop 1: 3 silent", f"{_shown(HOSTILE)}: 1 silent"}
    assert (overview.here.role, overview.mirror, overview.readings.archived) == ("MASTER", None, 0)
    assert {job.job for job in overview.jobs} >= {"devices", "export", "selfcare"}


def _shown(name: str) -> str:
    return name.replace("\u202e", "\\u202e")


def test_an_incident_that_is_silenced_only_wants_a_look(outage):
    outage.desk.add_silence(AddSilence(target="group", name="shop 1", reason="r", seconds=3600), "maria")
    sentences = {each.sentence: each.urgency for each in outage.desk.overview().attention}
    assert sentences["1 incident is open and silenced."] == "worth a look"
    (covering,) = outage.desk.incident(_number(outage, "shop 1")).silences
    assert (covering.by, covering.in_force) == ("maria", True)


def _number(office, group: str) -> int:
    return next(i.number for i in office.desk.incidents("open").items if i.title.startswith(group))


def test_the_fleet_over_time_has_a_point_for_each_head_count(office):
    for minutes in (30, 20, 10):
        at = datetime.now(UTC) - timedelta(minutes=minutes)
        for status, number in (("NORMAL", minutes), ("FAIL", 2)):
            office.execute(f"INSERT INTO DeviceHistoryStatus VALUES ('{status}', {number}, '{at:%Y-%m-%d %H:%M:%S}')")
    fleet = office.desk.overview().fleet
    assert [(each.normal, each.fail, each.warning) for each in fleet] == [(30, 2, 0), (20, 2, 0), (10, 2, 0)]


def test_incidents_and_their_members_come_in_parts(outage):
    outage.announce(["A1", "A2", "A3"])
    outage.check()
    outage.platform.pass_time(10, ["A1", "A2", "A3"])
    assert [each.title for each in outage.desk.incidents("closed").items] == ["shop 1: 3 silent"]
    first = outage.desk.incidents("all", limit=1)
    second = outage.desk.incidents("all", first.next, limit=1)
    assert (first.items[0].number, second.items[0].number, second.next) == (2, 1, None)
    number, names, after = outage.desk.incidents("closed").items[0].number, [], None
    for _ in range(3):
        part = outage.desk.incident(number, after, limit=1)
        names += [member.name for member in part.members.items]
        after = part.members.next
    assert (names, after) == (["A1", "A2", "A3"], None)
    assert outage.desk.incident(number).silenceable.target is Target.GROUP
    for unknown in (0, -1, 99, 1 << 64):
        with pytest.raises(NotFound):
            outage.desk.incident(unknown)
    with pytest.raises(ConfigurationError):
        outage.desk.incident(number, "WyJ4Il0")


def test_a_silence_is_added_told_and_ended_by_somebody(office):
    desk = office.desk
    until_ = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    first = desk.add_silence(AddSilence(target="device", name="A1", reason=HOSTILE, ends_at=until_), "maria" * 100)
    second = desk.add_silence(AddSilence(target="type", name="t", reason="r", cron="0 22 * * *", seconds=60), "juan")
    assert (first.ends_at, first.in_force, first.by) == (until_, True, ("maria" * 100)[:255])
    assert (second.duration_seconds, second.ends_at) == (60, None)
    assert desk.silences() == (first, second)
    desk.end_silence(first.number, "juan")
    assert desk.silences() == (second,)
    assert office.execute("SELECT silence_id FROM sm_silence_note") == [(second.number,)]
    for unknown in (first.number, 0, -5, 1 << 70):
        with pytest.raises(NotFound):
            desk.end_silence(unknown, "juan")


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"seconds": 60, "ends_at": datetime(2099, 1, 1, tzinfo=UTC)},
        {"ends_at": datetime(2001, 1, 1, tzinfo=UTC)},
        {"ends_at": datetime(9999, 12, 31, tzinfo=UTC)},
        {"cron": "0 22 * * *"},
        {"cron": "nonsense", "seconds": 60},
        {"name": "A" * 21, "seconds": 60},
        {"reason": "  ", "seconds": 60},
    ],
)
def test_a_silence_that_makes_no_sense_is_refused_with_each_mistake(office, wish):
    asked = AddSilence(**{"target": "device", "name": "A1", "reason": "r", **wish})
    with pytest.raises(ConfigurationError):
        office.desk.add_silence(asked, "maria")
    assert office.desk.silences() == ()


def test_jobs_and_runs_are_told_with_who_asked_for_them(office):
    desk, database = office.desk, office.database
    held = acquire(database, "job:history", "somebody", MINUTE)
    number = History(database).begin("history", held, asked_by="maria")
    run = desk.run(number)
    assert (run.asked_by, run.outcome, run.progress) == ("maria", Outcome.RUNNING, None)
    History(database).note(number, "maria", "counted", 30, 100)
    progress = desk.run(number).progress
    assert (progress.what, progress.done, progress.total) == ("counted", 30, 100)
    assert abs(progress.at - datetime.now(UTC)) < timedelta(minutes=1)
    assert desk.job("history").last.progress.done == 30
    History(database).end(number, Outcome.DONE, {"NORMAL": 3}, None)
    held.release()
    finished = desk.run(number)
    assert (finished.progress, finished.asked_by, finished.counts) == (None, "maria", {"NORMAL": 3})
    later = [History(database).begin("devices", _held(database, "job:devices")) for _ in range(2)]
    first = desk.runs(limit=2)
    assert [each.run for each in first.items] == later[::-1]
    assert [each.run for each in desk.runs(None, first.next, 2).items] == [number]
    assert [each.run for each in desk.runs("history").items] == [number]
    for wrong in (lambda: desk.run(99), lambda: desk.run(1 << 80), lambda: desk.job("x"), lambda: desk.runs("x")):
        with pytest.raises(NotFound):
            wrong()


def _held(database, name):
    lease = acquire(database, name, "somebody", timedelta(0))
    time.sleep(0.01)
    return lease


def test_a_run_is_started_by_name_unless_one_is_at_work_or_nobody_wants_it(office):
    desk = office.desk
    asked = desk.start_job("history", "maria")
    assert (asked.previous_run, office.started) == (None, [("history", "maria")])
    held = acquire(office.database, "job:history", "somebody", MINUTE)
    with pytest.raises(LeaseHeld, match="A run of the job history is at work, on somebody"):
        desk.start_job("history", "maria")
    held.release()
    with pytest.raises(NotFound, match="The jobs are: devices, history"):
        desk.start_job("nonsense", "maria")
    assert office.started == [("history", "maria")]


def test_a_job_that_the_settings_do_not_ask_for_is_not_started(request, tmp_path):
    with opened(request, tmp_path, "sqlite", EXPORT_ACTIVE="false", MYSQL_HOST="127.0.0.1", MYSQL_USER="u") as office:
        with pytest.raises(ConfigurationError, match="do not ask for the job export"):
            office.desk.start_job("export", "maria")
        assert office.desk.configuration().settings


class Slow:
    """A job that reports what it does until it is told to end."""

    name, lease_name = "slow", "job:slow"

    def __init__(self, done: threading.Event) -> None:
        self.done = done

    def run(self, context):
        context.progress.expect("moved", 10)
        while not self.done.wait(0.05):
            context.progress.advance("moved", 1)
        return JobResult({"moved": 1})


def test_how_far_a_run_is_can_be_watched_while_it_is_at_work(office):
    upgrade(office.database)
    done = threading.Event()
    runner = Runner(office.database, MINUTE, Silence(), threading.Event())
    thread = threading.Thread(target=runner.run, args=(Slow(done), None, "maria"))
    thread.start()
    try:
        until(lambda: office.desk.runs().items and office.desk.runs().items[0].progress)
        before = office.desk.runs().items[0]
        until(lambda: office.desk.run(before.run).progress.done > before.progress.done)
        assert (before.asked_by, before.progress.what, before.progress.total) == ("maria", "moved", 10)
    finally:
        done.set()
        thread.join()
    after = office.desk.runs().items[0]
    assert (after.outcome, after.progress, after.asked_by) == (Outcome.DONE, None, "maria")


def test_what_can_not_be_noted_does_not_disturb_the_run():
    tries = []

    def fail(*state):
        tries.append(state)
        raise DatabaseUnreachable("away")

    with recorded(Silence(), fail, every=0.01) as progress:
        for _ in range(5):
            progress.advance("moved", 2)
            time.sleep(0.02)
    assert len(tries) > 1
    assert {what for what, *_ in tries} == {"moved"}


def test_the_archive_is_told_by_day_and_object(mysql_server, mysql_database, tmp_path, request, staging):
    server_iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl())
    upgrade(server_iotdb.database)
    server_iotdb.insert([reading(days_ago(day), data=n) for day in (3, 2) for n in range(5)])
    Runner(server_iotdb.database, MINUTE, Silence(), threading.Event()).run(
        make_job(server_iotdb, FolderStore(tmp_path / "archive"), staging)
    )
    server_iotdb.insert([reading(days_ago(3), data=9)])
    with opened(request, tmp_path, "mariadb") as office:
        calendar = office.desk.archive()
        assert [(day.rows, day.objects, day.state, day.rows_due) for day in calendar.days] == [
            (5, 1, DayState.PURGED, 0),
            (5, 1, DayState.PURGED, 0),
        ]
        assert (calendar.rows, calendar.objects, calendar.configured) == (10, 2, True)
        detail = office.desk.archive_day(calendar.days[0].day)
        (proof,) = detail.proofs
        assert (proof.rows, proof.slices, proof.slices_purged, len(proof.sha256)) == (5, 1, 1, 64)
        office.execute("UPDATE sm_archive_part SET purged_at = NULL")
        assert office.desk.archive_day(calendar.days[0].day).state is DayState.ARCHIVED
        office.execute("INSERT INTO sm_archive VALUES (99, '2031-01-01', '2031-01-02', '2031-01-01', '2031-01-01')")
        assert office.desk.archive_day(date(2031, 1, 1)).state is DayState.PLANNED
        with pytest.raises(NotFound):
            office.desk.archive_day(date(2001, 1, 1))
    server_iotdb.database.close()


def test_nobody_waits_long_for_a_database_that_is_away(request, tmp_path):
    address = {"MYSQL_HOST": f"127.0.0.1:{free_port()}", "MYSQL_USER": "nobody"}
    with opened(request, tmp_path, "sqlite", **address) as office:
        began = time.monotonic()
        failures = []

        def look():
            try:
                office.desk.overview()
            except DatabaseUnreachable as error:
                failures.append(error)

        threads = [threading.Thread(target=look) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(failures) == 20
        assert time.monotonic() - began < 5
        assert office.desk.configuration().version


def test_the_server_itself_ends_a_reading_that_nobody_waits_for_any_more(request, tmp_path):
    with opened(request, tmp_path, "mariadb") as office:
        database = office.configuration.service.database(timedelta(seconds=1), viewers=2)
        many = "information_schema.collations"
        try:
            with pytest.raises(DatabaseBusy, match="took too long to answer"), database.reading() as connection:
                connection.exec_driver_sql(f"SELECT COUNT(*) FROM {', '.join(f'{many} {name}' for name in 'abcde')}")
            running = (
                f"SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT COUNT(*) FROM {many}%%'"
            )
            assert office.execute(running) == [(0,)]
        finally:
            database.close()
