"""Every job of the service, once."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from servicemanager.iotdb.engine import Database
from servicemanager.jobs.job import Progress
from servicemanager.jobs.runner import Runner
from servicemanager.service import Service
from servicemanager.service.tasks import JOBS


@dataclass(frozen=True)
class Done:
    """What a job did, in numbers, and what it could not do."""

    job: str
    counts: Mapping[str, int]
    problems: tuple[str, ...]


def run_every_job(service: Service, database: Database, progress: Progress) -> tuple[Done, ...]:
    """In the order in which the service lists them. What goes to the console is not shown."""
    runner = Runner(database, service.settings.cluster.lease, progress, threading.Event())
    results = ((task.name, runner.run(task.make(service, database, io.StringIO()))) for task in JOBS)
    return tuple(Done(name, result.counts, result.problems) for name, result in results)
