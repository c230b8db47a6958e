"""What the steps of an export work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from servicemanager.archive.journal import Journal
from servicemanager.archive.proof import Stores
from servicemanager.export.pace import Throttle
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts
from servicemanager.iotdb.rollups import Rollups
from servicemanager.jobs.job import JobContext

#: Whatever moves rows between Facts and the archive holds this lease.
LEASE_NAME = "job:export"
#: Rows of one purge transaction, where an index lets a slice be found.
SLICE_ROWS = 20_000


@dataclass(frozen=True)
class Tools:
    """Ports and settings of one run."""

    database: Database
    facts: Facts
    journal: Journal
    rollups: Rollups
    stores: Stores
    #: The database's own name in the archive.
    uuid: str
    staging: Path
    zone: ZoneInfo
    #: Whether the Node version's CSV files are written too.
    csv: bool
    context: JobContext
    slice_rows: int = SLICE_ROWS
    #: Whether the next windows are read in other threads while one is sealed.
    ahead: bool = True
    throttle: Throttle = field(default_factory=Throttle)
