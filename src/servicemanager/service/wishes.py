"""What a person asks of one run, beyond the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servicemanager.statistics.judge import Change
    from servicemanager.statistics.publish import Published


@dataclass(frozen=True)
class ExportWishes:
    """Of one export."""

    before: date | None = None
    no_purge: bool = False
    max_rows: int | None = None
    #: Whatever hour it is.
    now: bool = False


@dataclass(frozen=True)
class StatisticsWishes:
    """Of one run of the statistics; the last two see what is found."""

    rebuild: bool = False
    force: bool = False
    found: Callable[[Change], None] | None = None
    published: Callable[[Published], None] | None = None
