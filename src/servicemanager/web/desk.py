"""What the pages, the API and the metrics ask of the service, and what they may have done.

The service implements it by the functions that the commands call too. Methods block and may be called from any
thread. Everyone raises DatabaseUnreachable while the database is away.
"""

from __future__ import annotations

from datetime import date
from typing import Protocol

from servicemanager.web.documents.archive import Calendar, DayDetail
from servicemanager.web.documents.configuration import Configuration
from servicemanager.web.documents.devices import DeviceDetail, Devices, Query
from servicemanager.web.documents.document import Page
from servicemanager.web.documents.incidents import AddSilence, Incident, IncidentDetail, Silence, State
from servicemanager.web.documents.jobs import Asked, Job, Run
from servicemanager.web.documents.overview import Overview


class Desk(Protocol):
    """Where the service answers questions and takes orders."""

    def overview(self, age: float = 0.0) -> Overview:
        """At most a few seconds old, or `age` seconds: all who look at the same time share one."""

    def devices(self, query: Query) -> Devices:
        """Raises ConfigurationError where `after` is none of ours."""

    def device(self, name: str) -> DeviceDetail:
        """Raises NotFound."""

    def incidents(self, state: State, after: str | None = None, limit: int = 50) -> Page[Incident]:
        """The newest first."""

    def incident(self, number: int, after: str | None = None, limit: int = 100) -> IncidentDetail:
        """Raises NotFound."""

    def silences(self) -> tuple[Silence, ...]:
        """Those that are in force or still to come."""

    def add_silence(self, asked: AddSilence, by: str) -> Silence:
        """Raises ConfigurationError where the wishes do not fit together."""

    def end_silence(self, number: int, by: str) -> None:
        """Raises NotFound."""

    def archive(self, age: float = 0.0) -> Calendar:
        """Shared likewise."""

    def archive_day(self, day: date) -> DayDetail:
        """Raises NotFound."""

    def jobs(self) -> tuple[Job, ...]: ...

    def job(self, name: str) -> Job:
        """Raises NotFound."""

    def runs(self, job: str | None = None, after: str | None = None, limit: int = 50) -> Page[Run]:
        """The newest first. Raises NotFound where there is no such job."""

    def run(self, number: int) -> Run:
        """Raises NotFound."""

    def start_job(self, name: str, by: str) -> Asked:
        """Start a run now, on this instance. Raises NotFound, LeaseHeld where a run of it is at work."""

    def configuration(self) -> Configuration:
        """Works without the database."""
