"""What a stranger can make happen as often as he likes stands in the log only now and then, lest he fills the disk."""

from __future__ import annotations

from collections import OrderedDict

APART = 10.0
_MOST = 1000


class Sparing:
    """For each address, one line in so many seconds."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, float] = OrderedDict()

    def is_due(self, address: str, now: float) -> bool:
        """Whether to tell it; if so, that counts as told."""
        if now - self._told.get(address, -APART) < APART:
            return False
        self._told.pop(address, None)
        self._told[address] = now
        while len(self._told) > _MOST:
            self._told.popitem(last=False)
        return True
