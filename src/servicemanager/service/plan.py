"""Which jobs the scheduler runs, and with what command; and what two instances have to agree on."""

from __future__ import annotations

import socket
import sys
from datetime import timedelta

from servicemanager.alerts.text import plain
from servicemanager.cluster.role import Role, Timing, WorksBy
from servicemanager.config import SETTINGS, Settings, render, value_of
from servicemanager.scheduler.child import Command
from servicemanager.scheduler.cron import Schedule
from servicemanager.scheduler.due import Due
from servicemanager.scheduler.loop import Planned
from servicemanager.service.handed_down import Configuration
from servicemanager.service.tasks import JOBS, Task, task_of

#: What decides which readings are kept, and where they go.
_AGREED = ("timezone", "mysql.datetimeZone", "export.bucket", "export.remoteDirectory", "export.days")


def planned_jobs(configuration: Configuration) -> dict[str, Planned]:
    """Every job that the settings ask for, by its name."""
    settings = configuration.service.settings
    return {task.name: _planned(task, configuration) for task in JOBS if task.wanted(settings)}


def command_of(
    job: str, configuration: Configuration, role: Role, due: Due | None = None, asked_by: str | None = None
) -> Command:
    """A run of `job` as a child of the daemon, which tells the child its role for the log."""
    scheduled = ("--scheduled-for", due.scheduled_for.isoformat()) if due else ()
    # In one word, for a name may begin with a dash.
    asked = (f"--asked-by={plain(asked_by)}",) if asked_by else ()
    isolated = ("-I",) if sys.flags.isolated else ()
    program = (sys.executable, *isolated, "-m", "servicemanager")
    return Command(
        (*program, "run-job", job, "--child-of", role.value, *scheduled, *asked),
        configuration.environ,
        configuration.descriptors,
    )


def limit_of(job: str) -> timedelta:
    return task_of(job).limit


def timing_of(settings: Settings) -> Timing:
    cluster = settings.cluster
    return Timing(cluster.lease, cluster.step_down_after, cluster.look_every)


def works_by(settings: Settings) -> WorksBy:
    """What this instance works by."""
    agreed = tuple((one.key, render(value_of(settings, one))) for one in SETTINGS if one.key in _AGREED)
    return WorksBy(f"{socket.gethostname()}:{settings.port}", agreed)


def _planned(task: Task, configuration: Configuration) -> Planned:
    settings = configuration.service.settings
    return Planned(
        task.name,
        Schedule(task.schedule(settings), settings.zone),
        lambda due: command_of(task.name, configuration, Role.MASTER, due),
        task.limit,
    )
