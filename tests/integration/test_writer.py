"""The gateway goes on writing while readings are exported and purged: nothing is lost, and it hardly has to wait."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.iotdb.upgrade import upgrade
from support.exports import archived_rows, days_ago, make_job, run
from support.forms import scratch
from support.iotdb import Iotdb, facts_ddl, mysql_iotdb, reading
from support.mariadb import Server

DAY_ROWS = 15_000
#: No insert may wait longer; a slice's transaction takes a fraction of it.
PATIENCE = 1.0

#: A process of its own, so that it waits for the database and never for us: 100 rows a second, each in a
#: transaction, every tenth of them with an old time of arrival, until its standard input is closed.
WRITER = """
import json, select, sys, time
import pymysql
host, port, user, password, database, old = sys.argv[1:]
connection = pymysql.connect(
    host=host, port=int(port), user=user, password=password, database=database, autocommit=True)
cursor = connection.cursor()
cursor.execute("SET time_zone='+00:00'")
insert = "INSERT INTO Facts VALUES ('written',2026,11,20,6,0,0,0,'g','d',%s,%s,IFNULL(%s,UTC_TIMESTAMP()))"
waits, begin = [], time.monotonic()
print("ready", flush=True)
while True:
    number = len(waits)
    if select.select([sys.stdin], [], [], max(0.0, begin + number / 100 - time.monotonic()))[0]:
        break
    sent = time.monotonic()
    cursor.execute(insert, (number % 3, number, old if number % 10 == 0 else None))
    waits.append(time.monotonic() - sent)
print(json.dumps(waits))
"""


@dataclass
class Gateway:
    """What it has written, once it has stopped."""

    waits: list[float] = field(default_factory=list)


@contextmanager
def writing_gateway(server: Server, database: str, old: datetime) -> Iterator[Gateway]:
    arguments = [server.host, str(server.port), server.user, server.password, database, str(old)]
    command, pipes = [sys.executable, "-c", WRITER, *arguments], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    gateway = Gateway()
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield gateway
            gateway.waits = json.loads(process.communicate(timeout=30)[0])
        finally:
            process.kill()


@pytest.fixture(params=["indexed", "unindexed"])
def platform(request, mysql_server, mysql_database) -> Iterator[Iotdb]:
    """Two old days in Facts."""
    made = mysql_iotdb(mysql_server, mysql_database, facts_ddl(indexed=request.param == "indexed"))
    upgrade(made.database)
    made.insert(readings_of(days_ago(2, 0)) + readings_of(days_ago(1, 0)))
    yield made
    made.database.close()


def readings_of(midnight: datetime) -> list[tuple]:
    """All over the day, no two alike."""
    row = reading(midnight)
    return [(*row[:11], n, midnight + timedelta(seconds=n * 86_399 // DAY_ROWS)) for n in range(DAY_ROWS)]


def test_the_gateway_loses_no_row_and_no_time(platform):
    """Its late rows go into a day that was archived before and is to be purged."""
    with scratch() as folder:
        store = FolderStore(folder / "archive")
        run(make_job(platform, store, folder, purge=False, days=2))
        with writing_gateway(platform.server, platform.login.database, days_ago(2, 9)) as gateway:
            during = run(make_job(platform, store, folder, slice_rows=5_000))
        number = 2 * DAY_ROWS + len(gateway.waits)
        archived, live = archived_rows(store), platform.rows()
        assert len(archived | live) == number  # nothing is lost
        assert archived.total() == len(archived)  # nothing is doubled
        assert during.counts["rows_purged"] > 0
        assert run(make_job(platform, store, folder)).problems == ()
        everything = archived_rows(store) + platform.rows()
    assert everything.total() == len(everything) == number
    assert min(row[12] for row in platform.rows()) >= days_ago(0, 0)
    assert len(gateway.waits) > 50
    assert max(gateway.waits) < PATIENCE
