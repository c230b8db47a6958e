"""Nights in which the clocks change: every reading is archived once, at its own instant, on its own day."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.export.job import ExportJob
from servicemanager.export.planning import Wishes
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.upgrade import upgrade
from support.exports import archived_rows, archived_tables, run
from support.iotdb import Iotdb, Row, facts_ddl, mysql_iotdb, reading

MINUTE = timedelta(minutes=1)
#: The evenings before the change in spring and in autumn.
NIGHTS = {
    "Europe/Berlin": (datetime(2026, 3, 28, 22), datetime(2026, 10, 24, 22)),
    "America/New_York": (datetime(2026, 3, 7, 22), datetime(2025, 11, 1, 22)),
    # Where midnight itself was skipped, and came twice.
    "America/Sao_Paulo": (datetime(2018, 11, 3, 22), datetime(2018, 2, 17, 22)),
}


def minutes_of(evening: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants of every minute from then on, for seven hours."""
    begin = evening.replace(tzinfo=zone).astimezone(UTC)
    return [begin + n * MINUTE for n in range(7 * 60)]


def rows_of(instants: list[datetime], zone: ZoneInfo, *, wall: bool) -> list[Row]:
    """One reading a minute, its arrival written as the gateway of that installation does."""
    stored = [(instant.astimezone(zone) if wall else instant).replace(tzinfo=None) for instant in instants]
    return [reading(arrival, data=n) for n, arrival in enumerate(stored)]


def archived(store: ObjectStore) -> dict[int, tuple[str, datetime]]:
    """The day and the UTC instant under which each reading stands in the archive, by its number."""
    found = {}
    for key, table in archived_tables(store):
        assert isinstance(table, pa.Table)
        day = key.split("creation_date=")[1][:10]
        for number, instant in zip(table["data"].to_pylist(), table["creationDate"].to_pylist(), strict=True):
            found[number] = (day, instant)
    return found


@dataclass
class Installation:
    """A database, an archive in a folder, and an export of one into the other, each in a zone of its own."""

    iotdb: Iotdb
    store: ObjectStore
    staging: Path

    def complete(self, rows: list[Row], name: str) -> None:
        wishes = Wishes(ZoneInfo(name), days=1, purge=True)
        facts = Facts.open(self.iotdb.database, name)
        job = ExportJob(self.iotdb.database, facts, self.store, open_store, self.staging, wishes)
        assert run(job).problems == ()
        assert archived_rows(self.store) == Counter(rows)
        assert self.iotdb.rows() == Counter()


@pytest.fixture
def installation(request, mysql_server, mysql_database, tmp_path, staging) -> Iterator[Installation]:
    """With a table whose arrival times are of the kind that the test asks for."""
    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl(kind=request.param))
    upgrade(iotdb.database)
    yield Installation(iotdb, FolderStore(tmp_path / "archive"), staging)
    iotdb.database.close()


@pytest.mark.parametrize("installation", ["TIMESTAMP"], indirect=True)
@pytest.mark.parametrize("name", NIGHTS)
def test_instants_of_both_nights_are_archived_on_their_local_day(installation, name: str):
    zone = ZoneInfo(name)
    instants = [instant for evening in NIGHTS[name] for instant in minutes_of(evening, zone)]
    rows = rows_of(instants, zone, wall=False)
    installation.iotdb.insert(rows)
    installation.complete(rows, name)
    assert {n: instant for n, (_, instant) in archived(installation.store).items()} == dict(enumerate(instants))
    days = Counter(day for day, _ in archived(installation.store).values())
    assert sum(days.values()) == len(instants)
    if name != "America/Sao_Paulo":
        assert days == Counter(str(instant.astimezone(zone).date()) for instant in instants)


@pytest.mark.parametrize("installation", ["DATETIME"], indirect=True)
@pytest.mark.parametrize("name", NIGHTS)
def test_wall_times_of_both_nights_are_archived_at_their_instants(installation, name: str):
    """The hour that autumn repeats can't be told apart any more: it counts as its first pass."""
    zone = ZoneInfo(name)
    instants = [instant for evening in NIGHTS[name] for instant in minutes_of(evening, zone)]
    rows = rows_of(instants, zone, wall=True)
    installation.iotdb.insert(rows)
    installation.complete(rows, name)
    first_pass = [instant.astimezone(zone).replace(fold=0).astimezone(UTC) for instant in instants]
    assert {n: instant for n, (_, instant) in archived(installation.store).items()} == dict(enumerate(first_pass))
    assert sum(a != b for a, b in zip(instants, first_pass, strict=True)) == 60


@pytest.mark.parametrize("installation", ["DATETIME"], indirect=True)
@pytest.mark.parametrize("name", NIGHTS)
def test_wall_times_that_no_clock_showed_are_archived_too(installation, name: str):
    """Of a gateway whose clock was not set, or in another zone's rows: nothing is left behind."""
    begin = NIGHTS[name][0]
    rows = [reading(begin + n * MINUTE, data=n) for n in range(7 * 60)]
    installation.iotdb.insert(rows)
    installation.complete(rows, name)
    stamps = [instant for _, (_, instant) in sorted(archived(installation.store).items())]
    assert stamps == sorted(stamps)


def test_the_zone_of_wall_times_is_a_setting_and_late_readings_of_a_repeated_hour_are_archived_once(site):
    site.iotdb.execute("ALTER TABLE Facts MODIFY creationDate DATETIME NOT NULL")
    evening = NIGHTS["Europe/Berlin"][1]
    rows = [reading(evening + n * MINUTE, data=n) for n in range(7 * 60)]
    late = rows[4 * 60 : 5 * 60]
    zone = {"TZ": "Europe/Berlin", "MYSQL_DATETIMEZONE": "Europe/Berlin"}
    site.iotdb.insert(rows)
    site.complete(rows, **zone)
    assert archived(site.store)[0] == ("2026-10-24", datetime(2026, 10, 24, 20, tzinfo=UTC))
    site.iotdb.insert(late)
    site.complete(rows + late, **zone)
