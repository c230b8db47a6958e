"""What the platform's table DeviceHistoryStatus tells of the last hours, as if the service had run all the while.

Pure. The first shop was without power for three quarters of an hour; otherwise a board or two are late now and then.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import numpy as np

from servicemanager.demo.fleet import Fleet

Row: TypeAlias = dict[str, str | int | datetime]

_STEP, _SPAN = timedelta(minutes=10), timedelta(hours=4)
#: Minutes ago in which the shop was dark; a board counts as failed a quarter of an hour after its last call.
_DARK, _FAILED = range(105, 150), range(105, 135)


def head_counts(fleet: Fleet, now: datetime) -> Iterator[Row]:
    """One row for each status and ten minutes, the oldest first; the times are UTC in whole seconds."""
    rng = np.random.default_rng([fleet.seed, 7])
    shop = sum(board.shop == 0 for board in fleet.boards)
    strangers = fleet.strangers
    at = now.astimezone(UTC).replace(microsecond=0) - _SPAN
    while at < now - _STEP / 2:
        ago = (now - at) // timedelta(minutes=1)
        late = int(rng.integers(0, 3))
        dark = shop if ago in _DARK else 0
        failed = dark if ago in _FAILED else 0
        counts = {
            "NORMAL": len(fleet.boards) - len(fleet.deaths) - late - dark,
            "WARNING": len(strangers.sluggish) + late + dark - failed,
            "FAIL": len(fleet.deaths) + failed,
            "UNKNOWN": len(strangers.unseen),
            "WAITING_APPROVE": len(strangers.waiting),
        }
        for name, number in counts.items():
            yield {"status": name, "numberOfDevices": number, "creationDate": at}
        at += _STEP
