"""Nights in which the clocks change: every reading is archived once, at its own instant, on its own day."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from support.exports import archived_rows, archived_tables
from support.iotdb import Row, facts_ddl, mysql_iotdb, reading
from support.sites import Site, make_site

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


def archived(site: Site) -> dict[int, tuple[str, datetime]]:
    """The day and the UTC instant under which each reading stands in the archive, by its number."""
    found = {}
    for key, table in archived_tables(site.store):
        assert isinstance(table, pa.Table)
        day = key.split("creation_date=")[1][:10]
        for number, instant in zip(table["data"].to_pylist(), table["creationDate"].to_pylist(), strict=True):
            found[number] = (day, instant)
    return found


@pytest.fixture
def site(request, mysql_server, mysql_database, s3_server, s3_bucket, tmp_path):
    """With a table whose arrival times are of the kind that the test asks for."""
    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl(kind=request.param))
    made = make_site(iotdb, s3_server, s3_bucket, tmp_path)
    yield made
    iotdb.database.close()
    mysql_server.execute(f"DROP USER '{made.environ['MYSQL_USER']}'@'127.0.0.1'")


@pytest.mark.parametrize("site", ["TIMESTAMP"], indirect=True)
@pytest.mark.parametrize("name", NIGHTS)
def test_instants_of_both_nights_are_archived_on_their_local_day(site, name: str):
    zone = ZoneInfo(name)
    instants = [instant for evening in NIGHTS[name] for instant in minutes_of(evening, zone)]
    rows = rows_of(instants, zone, wall=False)
    site.iotdb.insert(rows)
    site.complete(rows, TZ=name)
    assert {n: instant for n, (_, instant) in archived(site).items()} == dict(enumerate(instants))
    days = Counter(day for day, _ in archived(site).values())
    assert sum(days.values()) == len(instants)
    if name != "America/Sao_Paulo":
        assert days == Counter(str(instant.astimezone(zone).date()) for instant in instants)


@pytest.mark.parametrize("site", ["DATETIME"], indirect=True)
@pytest.mark.parametrize("name", NIGHTS)
def test_wall_times_of_both_nights_are_archived_at_their_instants(site, name: str):
    """The hour that autumn repeats can't be told apart any more: it counts as its first pass."""
    zone = ZoneInfo(name)
    instants = [instant for evening in NIGHTS[name] for instant in minutes_of(evening, zone)]
    rows = rows_of(instants, zone, wall=True)
    site.iotdb.insert(rows)
    site.complete(rows, TZ=name, MYSQL_DATETIMEZONE=name)
    first_pass = [instant.astimezone(zone).replace(fold=0).astimezone(UTC) for instant in instants]
    assert {n: instant for n, (_, instant) in archived(site).items()} == dict(enumerate(first_pass))
    assert sum(a != b for a, b in zip(instants, first_pass, strict=True)) == 60


@pytest.mark.parametrize("site", ["DATETIME"], indirect=True)
@pytest.mark.parametrize("name", NIGHTS)
def test_wall_times_that_no_clock_showed_are_archived_too(site, name: str):
    """Of a gateway whose clock was not set, or in another zone's rows: nothing is left behind."""
    begin = NIGHTS[name][0]
    rows = [reading(begin + n * MINUTE, data=n) for n in range(7 * 60)]
    site.iotdb.insert(rows)
    site.complete(rows, TZ=name, MYSQL_DATETIMEZONE=name)
    stamps = [instant for _, (_, instant) in sorted(archived(site).items())]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("site", ["DATETIME"], indirect=True)
def test_readings_that_come_late_into_a_repeated_hour_are_archived_once(site):
    evening = NIGHTS["Europe/Berlin"][1]
    rows = [reading(evening + n * MINUTE, data=n) for n in range(7 * 60)]
    zone = {"TZ": "Europe/Berlin", "MYSQL_DATETIMEZONE": "Europe/Berlin"}
    site.iotdb.insert(rows)
    assert site.export(**zone).status == 0
    late = rows[4 * 60 : 5 * 60]
    site.iotdb.insert(late)
    site.complete(rows + late, **zone)
    assert archived_rows(site.store) == Counter(rows + late)
