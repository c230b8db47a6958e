"""The settings of the service as it runs: its schedule, its roles, its log."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from servicemanager.config.section import About, Section
from servicemanager.config.values import Cron, Layout, Lease, LogFormat, Retry, Wait


class Scheduler(Section):
    """When each job runs, as cron patterns in the zone `timezone`."""

    monitor: Annotated[Cron, About("When to ask the mirror for its role.")] = "*/1 * * * *"
    devices: Annotated[Cron, About("When to look for silent devices.")] = "*/10 * * * *"
    statistics: Annotated[Cron, About("When to publish the sensor statistics anew.", daily=True)] = "0 0 * * *"
    export: Annotated[Cron, About("When to archive and purge old readings.", daily=True)] = "0 2 * * *"
    history: Annotated[Cron, About("When to record how many devices have which status.")] = "*/10 * * * *"
    messages: Annotated[Cron, About("When to clear old messages.", daily=True)] = "0 3 * * *"
    housekeeping: Annotated[Cron, About("When to tidy ServiceManager's own tables.", daily=True)] = "30 3 * * *"
    selfcare: Annotated[Cron, About("When to look whether the service itself does its work.")] = "*/10 * * * *"
    catch_up: Annotated[Wait, About("How late a run may still begin that was missed because the service was down.")] = (
        timedelta(hours=24)
    )


class Cluster(Section):
    """How several instances agree on who works."""

    lease: Annotated[Lease, About("How long a master that is not heard of keeps its role.")] = timedelta(seconds=15)
    renew_deadline: Annotated[
        Retry | None,
        About("How long a master that can't renew its lease goes on before it steps down; two thirds of the lease."),
    ] = None
    retry: Annotated[
        Retry | None,
        About("How often a slave looks whether the lease is free, and a failed renewal is tried; 1/15 of the lease."),
    ] = None

    @property
    def step_down_after(self) -> timedelta:
        """Since the last renewal that succeeded; well before anybody else can take the lease."""
        return self.renew_deadline or self.lease * 2 / 3

    @property
    def look_every(self) -> timedelta:
        return self.retry or self.lease / 15


class Selfcare(Section):
    """From when on people are told that the service falls behind."""

    retention: Annotated[Wait, About("How long readings may stay in the database that should have left it.")] = (
        timedelta(days=2)
    )
    verified: Annotated[
        Wait | None, About("How long the archive may go without being verified; without it nobody minds.")
    ] = None
    undelivered: Annotated[Wait, About("How long a message may wait to be delivered.")] = timedelta(hours=1)
    disk: Annotated[
        Wait, About("The folder for files that are being built is full within this time, at the present rate.")
    ] = timedelta(days=3)


class Log(Section):
    """What the program says while it runs."""

    format: Annotated[Layout, About("How log lines look; auto is text on a terminal and JSON elsewhere.")] = (
        LogFormat.AUTO
    )
