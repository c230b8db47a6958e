"""The desk of a running instance: answers pages and the API from the database, and hands on what they want done.

What everybody looks at is computed once for all who look at about the same time, and not at all while nobody does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from servicemanager.errors import DatabaseRefused, Incomparable, NotFound
from servicemanager.health.assess import Assessment, Horizon, Limits
from servicemanager.health.check import Check
from servicemanager.iotdb.device_list import DeviceList
from servicemanager.service.desk import archive, incidents, jobs, silences
from servicemanager.service.desk.configuration import configuration_document
from servicemanager.service.desk.device import Readings, fetch_device
from servicemanager.service.desk.devices import Fleet, device_documents, fetch_few
from servicemanager.service.desk.known import Door
from servicemanager.service.desk.overview import fetch_overview, last_counted
from servicemanager.service.desk.run_now import Start, refuse_second_run, refuse_unwanted
from servicemanager.service.desk.shared import Shared
from servicemanager.service.handed_down import Configuration as InForce
from servicemanager.service.status import Instances, look_at_jobs
from servicemanager.web.documents.archive import Calendar, DayDetail
from servicemanager.web.documents.configuration import Configuration
from servicemanager.web.documents.devices import DeviceDetail, Devices, Query
from servicemanager.web.documents.document import Page
from servicemanager.web.documents.incidents import AddSilence, Incident, IncidentDetail, Silence, State
from servicemanager.web.documents.jobs import Asked, Job, Run
from servicemanager.web.documents.overview import Overview

if TYPE_CHECKING:
    from servicemanager.config import Settings
    from servicemanager.iotdb.engine import Database
    from servicemanager.iotdb.stored import StoredTime

#: The longest that an answer of the database may take, and how many are given at a time.
_ANSWER, _VIEWERS = timedelta(seconds=3), 4
#: Days of a device's sensors, where the statistics go over all that there ever was, and at the most.
_DAYS, _MOST_DAYS = 90, 366

_log = structlog.get_logger()


class ServiceDesk:
    """Implements `web.desk.Desk`. `configuration` is what is in force, which a reload changes."""

    def __init__(self, configuration: Callable[[], InForce], instances: Callable[[], Instances], start: Start) -> None:
        self._configuration, self._instances, self._start = configuration, instances, start
        self._door = Door(lambda: configuration().service.database(_ANSWER, _VIEWERS), lambda: self._settings.wall_zone)
        self._overview = Shared(self._fetch_overview, fresh=2.0, usable=10.0)
        self._calendar = Shared(self._fetch_calendar, fresh=5.0, usable=60.0)
        self._jobs = Shared(self._fetch_jobs, fresh=0.5, usable=3.0)
        self._horizon = Shared(self._fetch_horizon, fresh=5.0, usable=30.0)
        self._few = Shared(self._fetch_few, fresh=2.0, usable=10.0)
        self._registered = Shared(self._count_registered, fresh=30.0, usable=120.0)

    def close(self) -> None:
        self._door.close()

    def overview(self, age: float = 0.0) -> Overview:
        return self._overview.get(age)

    def devices(self, query: Query) -> Devices:
        # All that may take a connection of its own comes first: nobody holds one and waits for another.
        registered, few, devices = self._registered.get(), self._few.get(), self._devices()
        try:
            with self._database.reading() as connection:
                found, more = Fleet(connection, *devices, self._now(connection), few).page(query)
        except Incomparable:
            found, more = [], None
        return Devices(items=device_documents(found), next=more, registered=registered)

    def device(self, name: str) -> DeviceDetail:
        try:
            found = self._fetch_device(name)
        except Incomparable:
            found = None
        if found is None:
            raise NotFound("No device of that name is registered or has announced itself: check its spelling.")
        return found

    def incidents(self, state: State, after: str | None = None, limit: int = 50) -> Page[Incident]:
        return incidents.fetch_incidents(self._database, state, after, limit)

    def incident(self, number: int, after: str | None = None, limit: int = 100) -> IncidentDetail:
        return incidents.fetch_incident(self._database, self._settings.zone, number, after, limit)

    def silences(self) -> tuple[Silence, ...]:
        return silences.fetch_silences(self._database, self._settings.zone)

    def add_silence(self, asked: AddSilence, by: str) -> Silence:
        added = silences.save_silence(self._database, self._settings.zone, asked, by)
        _log.info("silence added", silence=added.number, target=added.target.value, name=added.name, by=by)
        self._overview.forget()
        return added

    def end_silence(self, number: int, by: str) -> None:
        silences.end_silence(self._database, number)
        _log.info("silence ended", silence=number, by=by)
        self._overview.forget()

    def archive(self, age: float = 0.0) -> Calendar:
        return self._calendar.get(age)

    def archive_day(self, day: date) -> DayDetail:
        return archive.fetch_day(self._database, day)

    def jobs(self) -> tuple[Job, ...]:
        return self._jobs.get()

    def job(self, name: str) -> Job:
        jobs.task_named(name)
        return next(job for job in self.jobs() if job.job == name)

    def runs(self, job: str | None = None, after: str | None = None, limit: int = 50) -> Page[Run]:
        return jobs.fetch_runs(self._database, job, after, limit)

    def run(self, number: int) -> Run:
        return jobs.fetch_run(self._database, number)

    def start_job(self, name: str, by: str) -> Asked:
        refuse_unwanted(name, wanted=jobs.task_named(name).wanted(self._settings))
        refuse_second_run(self._database, name)
        newest = jobs.fetch_runs(self._database, name, None, 1).items
        self._start(name, by)
        _log.info("run asked for", job=name, by=by)
        self._jobs.forget()
        return Asked(job=name, asked_by=by, previous_run=newest[0].run if newest else None)

    def configuration(self) -> Configuration:
        return configuration_document(self._configuration().loaded)

    @property
    def _settings(self) -> Settings:
        return self._configuration().service.settings

    @property
    def _database(self) -> Database:
        return self._door.database

    def _devices(self) -> tuple[DeviceList, Horizon, Limits]:
        limits = self._configuration().service.rules().limits
        return DeviceList(self._database, self._door.known.devices), self._horizon.get(), limits

    def _now(self, connection: sa.Connection) -> datetime:
        """In whole seconds, as the platform writes them."""
        return self._database.now(connection).replace(microsecond=0)

    def _fetch_few(self) -> Sequence[Assessment] | None:
        devices, horizon, limits = self._devices()
        with self._database.reading() as connection:
            return fetch_few(connection, devices.devices, horizon, limits, self._now(connection))

    def _fetch_device(self, name: str) -> DeviceDetail | None:
        known, devices = self._door.known, self._devices()
        with self._database.reading() as connection:
            fleet = Fleet(connection, *devices, self._now(connection), None)
            readings = self._readings(connection, name, known.published)
            return fetch_device(fleet, name, known.waiting, self._settings, readings)

    def _fetch_horizon(self) -> Horizon:
        check = Check(self._database, self._door.known.devices, self._configuration().service.rules(), ())
        with self._database.reading() as connection:
            return check.horizon(connection, self._now(connection))

    def _fetch_overview(self) -> Overview:
        try:
            history = self._door.known.history
        except DatabaseRefused:
            history = None
        return fetch_overview(self._settings, self._database, self._instances(), history)

    def _fetch_calendar(self) -> Calendar:
        return archive.fetch_calendar(self._database, configured=self._settings.export.bucket is not None)

    def _fetch_jobs(self) -> tuple[Job, ...]:
        return tuple(map(jobs.job_document, look_at_jobs(self._settings, self._database)))

    def _count_registered(self) -> int | None:
        return last_counted(self._database, self._door.known.history)

    def _readings(self, connection: sa.Connection, name: str, time: StoredTime | None) -> Readings:
        # Only here: Arrow and NumPy come along.
        from servicemanager.iotdb.device_statistics import published_of
        from servicemanager.iotdb.rollups import Rollups

        settings = self._settings.statistics
        now = self._database.now(connection)
        since = now.astimezone(self._settings.zone).date() - timedelta(days=min(settings.days or _DAYS, _MOST_DAYS) - 1)
        days = Rollups(self._database).of_device(connection, name.encode(), since)
        published = published_of(connection, name, time, now) if time else {}
        return Readings(days, published, settings.sigmas)
