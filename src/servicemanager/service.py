"""The composition root: settings become a database, an archive and jobs."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from servicemanager.config import Export, Loaded, Settings, load
from servicemanager.errors import ConfigurationError

if TYPE_CHECKING:
    from servicemanager.archive.objects import ObjectStore
    from servicemanager.archive.restore import RestoreJob, Source
    from servicemanager.archive.verify import Days
    from servicemanager.export.adopt import Adoption
    from servicemanager.export.job import ExportJob
    from servicemanager.iotdb.engine import Database
    from servicemanager.iotdb.facts import Facts
    from servicemanager.jobs.job import Progress

DATA_DIRECTORY = "servicemanager-data"


@dataclass(frozen=True)
class ExportWishes:
    """What a person asks of one export beyond the settings."""

    before: date | None = None
    no_purge: bool = False
    max_rows: int | None = None


@dataclass(frozen=True)
class Service:
    """One configured instance. Servers are contacted by its methods, not when it is made."""

    settings: Settings
    notices: tuple[str, ...] = ()
    embedded: bool = False
    directory: Path = Path()

    @classmethod
    def configure(
        cls, environ: Mapping[str, str] | None = None, directory: Path | None = None, *, needs_database: bool = True
    ) -> Service:
        """Raises ConfigurationError with every mistake."""
        directory = directory or Path.cwd()
        loaded = load(os.environ if environ is None else environ, directory, needs_database=needs_database)
        return cls(_settings(loaded, directory), loaded.notices, loaded.embedded, directory)

    def database(self) -> Database:
        """Connected, with our own tables up to date. Raises DatabaseUnreachable or DatabaseRefused."""
        from servicemanager.iotdb.upgrade import upgrade

        database = self._embedded_database() if self.embedded else self._server()
        upgrade(database)
        return database

    def store(self) -> ObjectStore | None:
        """The archive; None where no bucket is configured."""
        from servicemanager.archive.objects import archive_url

        export = self.settings.export
        if export.bucket is None:
            return None
        return self.open_store(archive_url(export.bucket, export.remote_directory))

    def open_store(self, url: str) -> ObjectStore:
        from servicemanager.archive.objects import open_store
        from servicemanager.archive.s3 import S3Access

        aws = self.settings.aws
        access = S3Access(
            region=aws.region,
            access_key_id=aws.access_key_id.get_secret_value() if aws.access_key_id else None,
            secret_access_key=aws.secret_access_key.get_secret_value() if aws.secret_access_key else None,
            use_tls=aws.ssl_enabled,
            endpoint=aws.endpoint,
        )
        return open_store(url, access)

    def export_job(self, database: Database, store: ObjectStore, asked: ExportWishes) -> ExportJob:
        """Raises DatabaseRefused where Facts can't be exported, ArchiveRefused in a copy of the database."""
        from servicemanager.iotdb.place import check_place

        check_place(database)
        return self._export_job(database, store, asked)

    def restore_job(
        self, database: Database, store: ObjectStore, days: Days, target: str, source: Source
    ) -> RestoreJob:
        """A job that brings the readings of `days` back into the table `target`."""
        from servicemanager.archive.proof import Stores
        from servicemanager.archive.restore import RestoreJob

        zone = self.settings.mysql.datetime_zone or self.settings.timezone
        return RestoreJob(database, Stores(store, self.open_store), days, target, zone, source)

    def adopt(self, database: Database, store: ObjectStore, progress: Progress) -> Adoption:
        """Make `database` the one whose archive `store` is, under the export's lease. Raises LeaseHeld."""
        from servicemanager.cluster.lease import acquire, kept
        from servicemanager.export.adopt import adopt_identity, adopt_objects
        from servicemanager.jobs.job import JobContext
        from servicemanager.jobs.runner import instance_name

        with kept(acquire(database, "job:export", instance_name(), self.settings.cluster.lease)) as lease:
            adopt_identity(database, store)
            job = self._export_job(database, store, ExportWishes())
            return adopt_objects(job.tools(JobContext(lease, progress, threading.Event())))

    def _export_job(self, database: Database, store: ObjectStore, asked: ExportWishes) -> ExportJob:
        from servicemanager.export.job import ExportJob
        from servicemanager.export.planning import Wishes

        export = self.settings.export
        wishes = Wishes(self.settings.zone, export.days, export.purge, asked.before, asked.no_purge, asked.max_rows)
        return ExportJob(
            database, self.facts(database), store, self.open_store, export.local_directory, wishes, csv=export.csv
        )

    def facts(self, database: Database) -> Facts:
        """Raises DatabaseRefused where the table is not the platform's."""
        from servicemanager.iotdb.facts import Facts

        return Facts.open(database, self.settings.mysql.datetime_zone or self.settings.timezone)

    def _embedded_database(self) -> Database:
        from servicemanager.iotdb.sqlite import create_platform, open_sqlite

        database = open_sqlite(self.directory / DATA_DIRECTORY / "iotdb.sqlite")
        create_platform(database)
        return database

    def _server(self) -> Database:
        from servicemanager.iotdb.mysql import Login, open_mysql

        mysql = self.settings.mysql
        if not mysql.user:
            raise ConfigurationError("mysql.user (MYSQL_USER) is missing: name the account to log in with.")
        return open_mysql(
            Login(
                hosts=mysql.addresses,
                user=mysql.user,
                database=mysql.database,
                password=mysql.password.get_secret_value() if mysql.password else "",
                ssl_mode=mysql.ssl_mode.value,
                ssl_ca=mysql.ssl_ca,
                connection_limit=mysql.connection_limit,
                idle_limit=self.settings.cluster.lease / 3,
            )
        )


def _settings(loaded: Loaded, directory: Path) -> Settings:
    """The embedded default brings its own archive folder."""
    if not loaded.embedded:
        return loaded.settings
    folder = (directory / DATA_DIRECTORY / "archive").resolve()
    return loaded.settings.model_copy(update={"export": Export(bucket=f"file://{folder}")})
