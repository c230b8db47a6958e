"""How often a password may be guessed: for each account and for each address. In memory, and never more than so much.

An attempt counts before its password is looked at, so that many at once are no way around, and is forgiven when the
password was right. Beyond a few in a row each has to wait, twice as long each time.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta

from servicemanager.web.gate.origin import parse_address

FREE = 5
LONGEST_WAIT = timedelta(minutes=15)
#: After so long without an attempt all is forgotten.
MEMORY = timedelta(hours=1)
MOST = 20_000


@dataclass(frozen=True)
class Tries:
    """Attempts in a row that were wrong, and when the last one was, by a steady clock in seconds."""

    count: int
    at: float

    def wait(self, now: float) -> float:
        """Seconds before the next attempt; 0 where it may be made now."""
        if self.count < FREE or now - self.at > MEMORY.total_seconds():
            return 0.0
        pause = min(2.0 ** min(self.count - FREE, 20), LONGEST_WAIT.total_seconds())
        return max(0.0, self.at + pause - now)


class Throttle:
    """Thread-safe.

    From an address where an account has signed in before, its attempts are counted by themselves: a stranger who
    guesses at the account elsewhere does not lock its owner out.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._lock = most, threading.Lock()
        self._tries: OrderedDict[str, Tries] = OrderedDict()
        self._at_home: OrderedDict[str, None] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """The seconds that the address has to wait, whatever account it asks for; nothing is counted."""
        tries = self._tries.get(_address_key(address))
        return tries.wait(now) if tries else 0.0

    def attempt(self, account: str, address: str, now: float) -> float:
        """Count an attempt; or, where the account or the address has to wait, count none and return the seconds."""
        with self._lock:
            keys = self._keys(account, address)
            wait = max(self._tries[key].wait(now) if key in self._tries else 0.0 for key in keys)
            if not wait:
                for key in keys:
                    self._count(key, now)
        return wait

    def forgive(self, account: str, address: str) -> None:
        """The password was right: nothing counts against the account here, and this attempt not against the address.

        Others against the address do, lest somebody signs in between two guesses at another account.
        """
        with self._lock:
            at_account, at_address = self._keys(account, address)
            self._tries.pop(at_account, None)
            if (tries := self._tries.get(at_address)) is not None:
                self._tries[at_address] = replace(tries, count=max(0, tries.count - 1))
            self._at_home[_pair(account, address)] = None
            while len(self._at_home) > self._most:
                self._at_home.popitem(last=False)

    def __len__(self) -> int:
        return len(self._tries)

    def _keys(self, account: str, address: str) -> tuple[str, str]:
        pair = _pair(account, address)
        return (pair if pair in self._at_home else _account_key(account)), _address_key(address)

    def _count(self, key: str, now: float) -> None:
        before = self._tries.pop(key, None)
        if before is None or now - before.at > MEMORY.total_seconds():
            before = Tries(0, now)
        self._tries[key] = Tries(before.count + 1, now)
        while len(self._tries) > self._most:
            self._tries.popitem(last=False)


def _pair(account: str, address: str) -> str:
    return f"{_account_key(account)} at {_address_key(address)}"


def _account_key(name: str) -> str:
    return "account " + name.strip().casefold()[:254]


def _address_key(address: str) -> str:
    """Of an IPv6 address its network: whoever has one has all of them."""
    ip = parse_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return f"address {ipaddress.ip_network((int(ip) >> 64 << 64, 64))}"
    return f"address {ip or address}"


def waiting(seconds: float) -> str:
    """How long to wait, in words."""
    whole = max(1, round(seconds + 0.5))
    return f"{whole} second{'s' if whole != 1 else ''}" if whole < 120 else f"{round(whole / 60)} minutes"  # noqa: PLR2004
