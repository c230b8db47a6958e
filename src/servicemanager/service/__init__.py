"""The composition root: settings become a database, an archive and jobs."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from servicemanager.config import Export, Loaded, NotifyMode, Settings, load
from servicemanager.errors import ConfigurationError
from servicemanager.service.wishes import ExportWishes, StatisticsWishes

if TYPE_CHECKING:
    from servicemanager.alerts.channel import Channel
    from servicemanager.archive.objects import ObjectStore
    from servicemanager.archive.restore import RestoreJob, Source
    from servicemanager.archive.verify import Days
    from servicemanager.export.adopt import Adoption
    from servicemanager.export.job import ExportJob
    from servicemanager.health.check import Check, Rules
    from servicemanager.health.history_status import HistoryJob
    from servicemanager.health.job import DevicesJob
    from servicemanager.health.lost_database import LostDatabase
    from servicemanager.housekeeping.job import HousekeepingJob
    from servicemanager.iotdb.engine import Database
    from servicemanager.iotdb.facts import Facts
    from servicemanager.jobs.job import Progress
    from servicemanager.messages.cleanup import MessagesJob
    from servicemanager.statistics.job import StatisticsJob

__all__ = ["DATA_DIRECTORY", "ExportWishes", "Service", "StatisticsWishes"]

DATA_DIRECTORY = "servicemanager-data"


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

    def database(self, answer_limit: timedelta | None = None, viewers: int | None = None) -> Database:
        """Connected, with our own tables up to date. Raises DatabaseUnreachable or DatabaseRefused.

        `answer_limit` is how long a statement may take; by default as long as the longest job's. `viewers` is how many
        connections pages and the API share, whose readings the server itself ends after that time.
        """
        from servicemanager.iotdb.upgrade import upgrade

        database = self._embedded_database() if self.embedded else self._server(answer_limit, viewers)
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
        from servicemanager.service.access import s3_access

        return open_store(url, s3_access(self.settings.aws))

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

        zone = self.settings.wall_zone
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
        wishes = Wishes(
            self.settings.zone,
            export.days,
            export.purge,
            asked.before,
            asked.no_purge,
            asked.max_rows,
            export.max_rows_per_second,
            None if asked.now else export.hours,
        )
        return ExportJob(
            database, self.facts(database), store, self.open_store, export.local_directory, wishes, csv=export.csv
        )

    def channels(self, console: TextIO | None = None) -> list[Channel]:
        """Every way to people; the console (stdout, unless told) where none is set. Raises ConfigurationError."""
        from servicemanager.alerts.console import Console
        from servicemanager.alerts.sns import Sns, SnsAccess

        aws = self.settings.aws
        found: list[Channel] = []
        if aws.topic_arn:
            access = SnsAccess(
                region=aws.topic_region,
                access_key_id=aws.access_key_id.get_secret_value() if aws.access_key_id else None,
                secret_access_key=aws.secret_access_key.get_secret_value() if aws.secret_access_key else None,
                use_tls=aws.ssl_enabled,
                endpoint=aws.endpoint,
            )
            found.append(Sns(aws.topic_arn, access))
        if self.settings.notify.urls:
            from servicemanager.alerts.apprise import open_channels

            found += open_channels(self.settings.notify.url_list)
        return found or [Console(console or sys.stdout)]

    def rules(self) -> Rules:
        """When a device is in trouble, and what is news."""
        from servicemanager.alerts.incident import Policy
        from servicemanager.health.assess import Limits
        from servicemanager.health.check import Rules

        health = self.settings.health
        general = timedelta(minutes=self.settings.warninglimit)
        return Rules(
            limits=Limits(general, health.limits_by_group, health.limits_by_type),
            zone=self.settings.zone,
            policy=Policy(health.flapping, health.repeat),
            back_after=health.back_after,
            grace=health.grace,
            foreign=health.foreign,
            always=health.notify is NotifyMode.ALWAYS,
            cron=self.settings.scheduler.devices,
        )

    def check(self, database: Database, channels: Sequence[Channel] = ()) -> Check:
        """A look at the devices, whose news go to `channels`."""
        from servicemanager.health.check import Check
        from servicemanager.iotdb.devices import Devices

        devices = Devices.open(database, self.settings.wall_zone)
        return Check(database, devices, self.rules(), [channel.name for channel in channels])

    def devices_job(self, database: Database, console: TextIO | None = None) -> DevicesJob:
        from servicemanager.health.job import DevicesJob

        channels, heartbeat = self.channels(console), self.settings.notify.heartbeat_url
        return DevicesJob(
            database,
            self.check(database, channels),
            {channel.name: channel for channel in channels},
            random.random,
            heartbeat.get_secret_value() if heartbeat else None,
        )

    def history_job(self, database: Database) -> HistoryJob:
        from servicemanager.health.history_status import HistoryJob

        return HistoryJob.open(database, self.settings.wall_zone, self.settings.health.history_kept)

    def lost_database(self) -> LostDatabase:
        """What is told when the database is down, and remembered on this machine meanwhile."""
        from servicemanager.health.lost_database import LostDatabase

        mysql = self.settings.mysql
        digest = sha256(f"{mysql.host} {mysql.port} {mysql.database}".encode()).hexdigest()[:12]
        folder = self.directory / DATA_DIRECTORY if self.embedded else self.settings.export.local_directory
        return LostDatabase(folder / f"servicemanager-lost-{digest}.json", self.settings.zone)

    def statistics_job(self, database: Database, asked: StatisticsWishes) -> StatisticsJob:
        """Raises DatabaseRefused where Facts is not the platform's."""
        from servicemanager.archive.proof import Stores
        from servicemanager.statistics.job import StatisticsJob
        from servicemanager.statistics.tools import Wishes

        settings, store = self.settings.statistics, self.store()
        wishes = Wishes(settings.days, settings.sigmas, settings.guard, rebuild=asked.rebuild, force=asked.force)
        return StatisticsJob(
            database,
            self.facts(database),
            self.settings.zone,
            self.settings.wall_zone,
            Stores(store, self.open_store) if store else None,
            wishes,
            asked.found,
            asked.published,
        )

    def messages_job(self, database: Database) -> MessagesJob:
        """Raises DatabaseRefused where Messages is not the platform's."""
        from servicemanager.iotdb.messages import Messages
        from servicemanager.messages.cleanup import MessagesJob, Retention

        settings = self.settings.messages
        unread = timedelta(days=settings.unread_days) if settings.unread_days else None
        retention = Retention(timedelta(days=settings.days), unread, settings.persistent)
        return MessagesJob(database, Messages.open(database, self.settings.wall_zone), retention)

    def housekeeping_job(self, database: Database) -> HousekeepingJob:
        from servicemanager.housekeeping.job import HousekeepingJob
        from servicemanager.service.partitions import keep_ahead

        return HousekeepingJob(database, keep_ahead=lambda: keep_ahead(self, database))

    def facts(self, database: Database) -> Facts:
        """Raises DatabaseRefused where the table is not the platform's."""
        from servicemanager.iotdb.facts import Facts

        return Facts.open(database, self.settings.wall_zone)

    def _embedded_database(self) -> Database:
        from servicemanager.iotdb.sqlite import create_platform, open_sqlite

        database = open_sqlite(self.directory / DATA_DIRECTORY / "iotdb.sqlite")
        create_platform(database)
        return database

    def _server(self, answer_limit: timedelta | None, viewers: int | None) -> Database:
        from servicemanager.iotdb.mysql import LONGEST_ANSWER, Login, open_mysql

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
                connection_limit=viewers or mysql.connection_limit,
                idle_limit=self.settings.cluster.lease / 3,
                answer_limit=answer_limit or LONGEST_ANSWER,
                server_ends=viewers is not None,
            )
        )


def _settings(loaded: Loaded, directory: Path) -> Settings:
    """The embedded default brings its own archive folder."""
    if not loaded.embedded:
        return loaded.settings
    folder = (directory / DATA_DIRECTORY / "archive").resolve()
    return loaded.settings.model_copy(update={"export": Export(bucket=f"file://{folder}")})
