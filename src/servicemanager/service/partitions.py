"""Facts by days of arrival: the change that a person asks for, and the days that the service keeps ahead of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicemanager.iotdb import partition_ahead
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.partitions import read_layout
from servicemanager.service import Service

if TYPE_CHECKING:
    from servicemanager.iotdb.partitioning import PartitionPlan


def plan(service: Service, database: Database, free: int | None = None) -> PartitionPlan:
    """`free` is what a person says of the server's disk, in bytes."""
    from servicemanager.iotdb.partitioning import plan_partitions

    facts = service.facts(database)
    return plan_partitions(database, facts, facts.calendar(service.settings.zone), free)


def apply(service: Service, database: Database, planned: PartitionPlan) -> None:
    """Under the export's lease. Raises LeaseHeld, DatabaseBusy or DatabaseRefused."""
    from servicemanager.cluster.lease import acquire, kept
    from servicemanager.iotdb.partitioning import apply_partitions
    from servicemanager.jobs.runner import instance_name

    with kept(acquire(database, "job:export", instance_name(), service.settings.cluster.lease)):
        apply_partitions(database, planned)


def keep_ahead(service: Service, database: Database) -> tuple[int, str]:
    """How many partitions were added for days to come, and what kept us from it, if anything."""
    if not read_layout(database).by_arrival:
        return 0, ""
    facts = service.facts(database)
    return partition_ahead.keep_ahead(database, facts, facts.calendar(service.settings.zone))


def look_ahead(service: Service, database: Database) -> partition_ahead.Ahead | None:
    """None where Facts is not partitioned by days of arrival."""
    layout = read_layout(database)
    return partition_ahead.look_ahead(database, service.facts(database), layout) if layout.by_arrival else None
