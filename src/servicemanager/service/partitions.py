"""Facts by days of arrival: the change that a person asks for, and the days that the service keeps ahead of time."""

from __future__ import annotations

from servicemanager.cluster.lease import acquire, kept
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.partitioning import PartitionPlan, apply_partitions, plan_partitions
from servicemanager.jobs.runner import instance_name
from servicemanager.service import Service


def plan(service: Service, database: Database, free: int | None = None) -> PartitionPlan:
    """`free` is what a person says of the server's disk, in bytes."""
    facts = service.facts(database)
    return plan_partitions(database, facts, facts.calendar(service.settings.zone), free)


def apply(service: Service, database: Database, planned: PartitionPlan) -> None:
    """Under the export's lease. Raises LeaseHeld, DatabaseBusy or DatabaseRefused."""
    with kept(acquire(database, "job:export", instance_name(), service.settings.cluster.lease)):
        apply_partitions(database, planned)
