"""Who has an account: the configured user, and those of the platform where the settings let them in."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest

import structlog

from servicemanager.config import Web
from servicemanager.errors import ServiceManagerError
from servicemanager.iotdb.accounts import PlatformAccount, fetch_account
from servicemanager.iotdb.engine import Database
from servicemanager.web.gate.passwords import Stored
from servicemanager.web.viewer import Rights, Viewer

#: Seconds for which an account is not looked up again: so long a changed role or password may go unnoticed.
FRESH = 5.0
_MOST = 1000
_STAMP_ROUNDS = 100_000

_log = structlog.get_logger()


@dataclass(frozen=True, repr=False)
class Account:
    """`stamp` changes when the password does."""

    viewer: Viewer
    stored: Stored
    stamp: bytes

    @property
    def name(self) -> str:
        return self.viewer.name


class Accounts:
    """Thread-safe. `database` raises DatabaseUnreachable while it is away."""

    def __init__(self, web: Web, database: Callable[[], Database], clock: Callable[[], float] = time.monotonic) -> None:
        self._configured = _configured(web)
        self._asks_platform = web.accounts
        self._database, self._clock = database, clock
        self._known: OrderedDict[str, tuple[float, Account]] = OrderedDict()
        self._lock = threading.Lock()

    def remembered(self, name: str) -> Account | None:
        """Without asking the database; None where it has to be asked, or where nobody would be found."""
        if self._configured and compare_digest(self._configured.name.encode(), name.encode(errors="replace")):
            return self._configured
        with self._lock:
            at, account = self._known.get(name, (0.0, None))
        return account if account and self._clock() - at < FRESH else None

    def find(self, name: str) -> Account | None:
        """Raises ServiceManagerError where the platform can't be asked and never told us about this account."""
        if (account := self.remembered(name)) or not self._asks_platform:
            return account
        try:
            row = fetch_account(self._database(), name)
        except ServiceManagerError as error:
            _log.warning("the platform's accounts can't be asked", error=str(error))
            if (last := self._known.get(name)) is None:
                raise
            return last[1]  # as last seen, until the database is back
        account = _from_platform(row) if row else None
        with self._lock:
            self._known.pop(name, None)
            if account:
                self._known[name] = (self._clock(), account)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return account


def _configured(web: Web) -> Account | None:
    if web.user is None or web.password is None:
        return None
    password = web.password.get_secret_value()
    # The same in every process with the same settings, and as hard to guess back as a stored password.
    stamp = hashlib.pbkdf2_hmac("sha256", password.encode(), b"servicemanager web.password", _STAMP_ROUNDS)
    return Account(Viewer(web.user, Rights.ADMIN), Stored.of(password), stamp)


def _from_platform(row: PlatformAccount) -> Account | None:
    stored = Stored.from_text(row.password, row.salt)
    if stored is None or not row.email.isprintable():
        return None
    return Account(Viewer(row.email, rights_of(row.role)), stored, stored.salt + stored.digest)


def rights_of(role: str) -> Rights:
    """What a role of the platform may; one that nobody knows may as little as a guest."""
    try:
        return Rights(role.strip().lower())
    except ValueError:
        return Rights.GUEST
