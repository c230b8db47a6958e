"""Whole installations: a schema with an account of its own, a bucket, and the variables that name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.errors import LeaseHeld
from servicemanager.export.job import ExportJob
from servicemanager.iotdb.upgrade import upgrade
from servicemanager.jobs.job import JobResult

from .cli import Ran, Running, start, until
from .exports import archived_rows, days_ago, make_job, run
from .iotdb import Iotdb, Row, facts_ddl, mysql_iotdb, reading
from .mariadb import Server
from .s3server import ACCESS_KEY, SECRET, S3Server

#: Whatever a URL, a shell or SQL could stumble over.
PASSWORD = "p@ss:w/rd?#%41 \\&+;"


@dataclass
class Site:
    """One installation: a schema with an account of its own, an archive, a folder for what is being built."""

    iotdb: Iotdb
    store: ObjectStore
    folder: Path
    environ: dict[str, str]

    @property
    def staging(self) -> Path:
        return Path(self.environ["EXPORT_LOCALDIRECTORY"])

    def start(self, *arguments: str, wrapper: Sequence[str] = (), **environ: str | int) -> Running:
        """Start an export, with some variables otherwise."""
        changed = {**self.environ, **{name: str(value) for name, value in environ.items()}}
        return start("export", *arguments, environ=changed, folder=self.folder, wrapper=wrapper)

    def export(self, *arguments: str, wrapper: Sequence[str] = (), **environ: str | int) -> Ran:
        return self.start(*arguments, wrapper=wrapper, **environ).wait()

    def everything(self) -> Counter:
        """All rows, wherever they are."""
        return self.iotdb.rows() + archived_rows(self.store)

    def complete(self, rows: Iterable[Row], *, today: Iterable[Row] = (), **environ: str | int) -> Ran:
        """The same by the command, as this very account."""
        ran = self.export(**environ)
        assert (ran.status, ran.sentences) == (0, []), ran.stderr
        self.check_complete(rows, today=today)
        return ran

    def check_untouched(self, rows: Iterable[Row]) -> None:
        """Nothing was deleted and nothing archived."""
        assert self.iotdb.rows() == Counter(rows)
        assert archived_rows(self.store) == Counter()

    def check_complete(self, rows: Iterable[Row], *, today: Iterable[Row] = ()) -> None:
        """Everything but today's rows is in the archive, once, and nowhere else."""
        assert archived_rows(self.store) == Counter(rows) - Counter(today)
        assert self.iotdb.rows() == Counter(today)
        assert list(self.staging.iterdir()) == []

    def archive(self) -> None:
        """An earlier run archived what is due, and deleted nothing."""
        upgrade(self.iotdb.database)
        assert run(make_job(self.iotdb, self.store, self.staging, no_purge=True)).problems == ()

    def expire_lease(self) -> None:
        """As if a run that died long ago had held it."""
        self.iotdb.execute("UPDATE sm_lease SET expires_at = UTC_TIMESTAMP(6)")

    def finish(self, rows: Iterable[Row], *, today: Iterable[Row] = ()) -> JobResult:
        """The trouble is over: the next run, once a dead one's lease has ended, completes exactly."""
        upgrade(self.iotdb.database)
        result = _run_when_free(make_job(self.iotdb, self.store, self.staging))
        assert result.problems == ()
        self.check_complete(rows, today=today)
        return result


def _run_when_free(job: ExportJob) -> JobResult:
    results: list[JobResult] = []

    def attempt() -> bool:
        with suppress(LeaseHeld):
            results.append(run(job))
        return bool(results)

    until(attempt)
    return results[0]


def old_rows(each: int = 30, days: int = 3) -> list[Row]:
    """Readings of some days before today, exact duplicates among them."""
    arrivals = [days_ago(day) + timedelta(seconds=n % 11) for day in range(1, days + 1) for n in range(each)]
    return [reading(arrival, device=f"board {n % 5}", data=n % 3) for n, arrival in enumerate(arrivals)]


def make_account(
    server: Server, *grants: str, name: str = "sm", host: str = "127.0.0.1", password: str = PASSWORD
) -> str:
    """A new account with the grants, such as ``SELECT ON iotdb.*``; any earlier one of that name goes."""
    account = f"'{name}'@'{host}'"
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP USER IF EXISTS {account}")
        cursor.execute(f"CREATE USER {account} IDENTIFIED BY {connection.escape(password)}")
        for grant in grants:
            cursor.execute(f"GRANT {grant} TO {account}")
    return name


def make_site(iotdb: Iotdb, s3: S3Server, bucket: str, folder: Path) -> Site:
    """An installation whose account may do everything in its schema, and no more."""
    schema = iotdb.login.database
    account = make_account(iotdb.server, f"ALL ON {schema}.*", name=f"sm_{schema}"[-32:])
    (folder / "staging").mkdir()
    environ = iotdb.environ | {
        "MYSQL_USER": account,
        "MYSQL_PASSWORD": PASSWORD,
        "EXPORT_BUCKET": bucket,
        "EXPORT_REMOTEDIRECTORY": "passagem",
        "EXPORT_LOCALDIRECTORY": str(folder / "staging"),
        "AWS_ENDPOINT": s3.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    return Site(iotdb, open_store(f"s3://{bucket}/passagem/", s3.access), folder, environ)


@pytest.fixture
def site(mysql_server, mysql_database, s3_server, s3_bucket, tmp_path) -> Iterator[Site]:
    """On the server that all tests share."""
    iotdb = mysql_iotdb(mysql_server, mysql_database, facts_ddl())
    made = make_site(iotdb, s3_server, s3_bucket, tmp_path)
    yield made
    iotdb.database.close()
    mysql_server.execute(f"DROP USER '{made.environ['MYSQL_USER']}'@'127.0.0.1'")
