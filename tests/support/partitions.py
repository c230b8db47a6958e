"""Facts partitioned by days of arrival, for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from servicemanager.iotdb.partitioning import PartitionPlan, apply_partitions, plan_partitions
from servicemanager.iotdb.partitions import Partition, read_layout

from .iotdb import ZONE, Iotdb

PLENTY = 1 << 50


def planned(iotdb: Iotdb, zone: str = ZONE, free: int | None = PLENTY) -> PartitionPlan:
    facts = iotdb.facts()
    return plan_partitions(iotdb.database, facts, facts.calendar(ZoneInfo(zone)), free)


def partition(iotdb: Iotdb, zone: str = ZONE) -> None:
    """As `servicemanager db partition --apply` does."""
    apply_partitions(iotdb.database, planned(iotdb, zone))


def partition_of(iotdb: Iotdb, stored: datetime) -> Partition:
    """The one that takes rows of that arrival."""
    return next(each for each in read_layout(iotdb.database).partitions if each.end is None or stored < each.end)


def today() -> datetime:
    return datetime.now(UTC)
