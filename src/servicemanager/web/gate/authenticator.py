"""Who asks: by a session, by HTTP Basic, or from this very machine where nobody has an account.

What takes long, hashing and asking the database, is done in threads, a bounded number at once.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers

from servicemanager.config import Web
from servicemanager.errors import DatabaseUnreachable, ServiceManagerError
from servicemanager.iotdb.engine import Database
from servicemanager.web.gate.accounts import Account, Accounts
from servicemanager.web.gate.origin import Origin
from servicemanager.web.gate.passwords import NOBODY
from servicemanager.web.gate.refusal import Refusal, Refused
from servicemanager.web.gate.sessions import Session, Sessions, cookie_name
from servicemanager.web.gate.shared import Shared
from servicemanager.web.gate.sparing import Sparing
from servicemanager.web.gate.throttle import Throttle, waiting
from servicemanager.web.viewer import Rights, Viewer

LOCAL = Viewer("local", Rights.ADMIN)
#: Passwords that are hashed at the same time, and that may wait for it.
_HASHING, _WAITING = 2, 32
#: Questions to the database at the same time: its connections are also the ones by which the lease is kept.
_ASKING = 2
#: Seconds between two looks at what other instances say; before the first success, and after.
_RETRY, _FRESH = 2.0, 5.0
#: Seconds that a request waits for the first look.
_PATIENCE = 3.0
_BASICS = 256

_log = structlog.get_logger()


class Way(StrEnum):
    """How somebody got in."""

    SESSION = "session"
    BASIC = "HTTP Basic"
    LOCAL = "from this machine"


@dataclass(frozen=True)
class Identity:
    """Who asks; `csrf` is the token that forms carry."""

    viewer: Viewer
    way: Way
    csrf: str
    session: Session | None = None


def no_database() -> Database:
    """In place of a database, where there is none."""
    raise DatabaseUnreachable("There is no database.")


class Authenticator:
    """For one event loop. `database` raises DatabaseUnreachable while it is away, and is asked in threads."""

    def __init__(self, web: Web, database: Callable[[], Database], clock: Callable[[], float] = time.monotonic) -> None:
        self.lets_sign_in = web.lets_sign_in
        self._accounts, self._shared = Accounts(web, database, clock), Shared(database)
        self.sessions = Sessions(self._shared, web.session)
        self._throttle, self._told, self._clock = Throttle(), Sparing(), clock
        self._csrf = secrets.token_hex(32)
        self._key = secrets.token_bytes(32)
        self._basics: OrderedDict[bytes, Account] = OrderedDict()
        self._verifying: dict[bytes, asyncio.Task[Account]] = {}
        self._hashing, self._asking = CapacityLimiter(_HASHING), CapacityLimiter(_ASKING)
        self._look: asyncio.Task[None] | None = None
        self._next_look = 0.0

    async def identify(self, headers: Headers, cookies: dict[str, str], origin: Origin) -> Identity | None:
        """Raises Refused where credentials are wrong; None where there are none."""
        if not self.lets_sign_in:
            return Identity(LOCAL, Way.LOCAL, self._csrf) if origin.is_local else None
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            account = await self._by_basic(credentials, origin)
            return Identity(account.viewer, Way.BASIC, "")
        return await self.by_session(cookies, origin)

    async def by_session(self, cookies: dict[str, str], origin: Origin) -> Identity | None:
        """Raises Refused where the account can't be looked up."""
        cookie = cookies.get(cookie_name(origin.scheme))
        if not cookie or not self.lets_sign_in:
            return None
        await self._see_others()
        session = self.sessions.read(cookie)
        if session is None:
            return None
        try:
            account = await self._find(session.name)
        except ServiceManagerError as error:
            raise Refused(Refusal(503, _unreachable("You are signed in"))) from error
        if account is None or not self.sessions.is_of(session, account):
            return None
        return Identity(account.viewer, Way.SESSION, session.csrf, session)

    async def sign_in(self, name: str, password: str, origin: Origin) -> Account:
        """Raises Refused: 403 where name or password is wrong, 429 where one has to wait, 503 where nobody can tell."""
        await self._see_others()
        return await self._verify(name, password, origin, Way.SESSION)

    def sign_out(self, session: Session) -> None:
        self.sessions.end(session)
        self._next_look = 0.0

    async def _by_basic(self, credentials: str, origin: Origin) -> Account:
        """A password that was right once is not hashed again, as long as it is the account's."""
        try:
            name, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            colon = ""
        if not colon:
            raise Refused(Refusal(401, "The header Authorization holds no name and password in the manner of Basic."))
        digest = hmac.digest(self._key, f"{len(name)}:{name}:{password}".encode(), hashlib.sha256)
        if (known := self._basics.get(digest)) is not None:
            account = await self._find_or_refuse(name)
            if account is not None and account.stamp == known.stamp:
                self._basics.move_to_end(digest)
                return account
            self._basics.pop(digest, None)
        return await self._once(digest, name, password, origin)

    async def _once(self, digest: bytes, name: str, password: str, origin: Origin) -> Account:
        """The same credentials that come many times at once are one attempt."""
        task = self._verifying.get(digest)
        if task is None:
            task = asyncio.create_task(self._verify(name, password, origin, Way.BASIC))
            self._verifying[digest] = task
            task.add_done_callback(partial(self._verified, digest))
        try:
            return await asyncio.shield(task)
        except Refused as refused:
            status = 401 if refused.refusal.status == 403 else refused.refusal.status  # noqa: PLR2004
            raise Refused(Refusal(status, refused.refusal.detail, refused.refusal.headers)) from None

    def _verified(self, digest: bytes, task: asyncio.Task[Account]) -> None:
        """Remembered at once, before those who wait wake up: who comes in between hashes nothing again."""
        self._verifying.pop(digest, None)
        # Whoever asked may be gone: then nobody else looks at how it ended.
        if task.cancelled() or task.exception():
            return
        self._basics[digest] = task.result()
        while len(self._basics) > _BASICS:
            self._basics.popitem(last=False)

    async def _verify(self, name: str, password: str, origin: Origin, way: Way) -> Account:
        address = origin.address
        log = _log.bind(address=address, way=way.value)
        account, unreachable = None, False
        # Before the database is asked: who has to wait anyway shall cost it nothing.
        self._refuse_haste(self._throttle.wait(address, self._clock()), address, log, "(not looked up)")
        try:
            account = await self._find(name)
        except ServiceManagerError:
            unreachable = True
        # Whoever types the password into the wrong field shall not find it in a log.
        told = account.name if account else "(unknown)"
        counted = self._throttle.attempt(account.name if account else name, address, self._clock())
        self._refuse_haste(counted, address, log, told)
        if not await self._matches(account, password):
            reason = "no such account, or the database is away" if account is None else "wrong password"
            log.warning("sign-in refused", account=told, reason=reason)
            raise Refused(
                Refusal(503, _unreachable("The name or the password is wrong, or it is an account of the platform"))
                if unreachable
                else Refusal(403, "The name or the password is wrong.")
            )
        assert account is not None  # noqa: S101 -- nobody has no password that matches
        self._throttle.forgive(account.name, address)
        log.info("signed in", account=account.name, rights=account.viewer.rights.value)
        return account

    def _refuse_haste(self, wait: float, address: str, log: Any, account: str) -> None:
        if wait:
            if self._told.is_due(address, self._clock()):
                log.warning("sign-in refused", account=account, reason="too many attempts", wait_seconds=int(wait) + 1)
            detail = f"Too many attempts with a wrong name or password: wait {waiting(wait)}, then try again."
            raise Refused(Refusal(429, detail, {"Retry-After": str(int(wait) + 1)}))

    async def _matches(self, account: Account | None, password: str) -> bool:
        if self._hashing.statistics().tasks_waiting >= _WAITING:
            raise Refused(Refusal(503, "Too many people sign in at the same time: try again.", {"Retry-After": "2"}))
        stored = account.stored if account else NOBODY
        return await to_thread.run_sync(stored.matches, password, limiter=self._hashing) and account is not None

    async def _find(self, name: str) -> Account | None:
        if account := self._accounts.remembered(name):
            return account
        return await to_thread.run_sync(self._accounts.find, name, limiter=self._asking)

    async def _find_or_refuse(self, name: str) -> Account | None:
        try:
            return await self._find(name)
        except ServiceManagerError as error:
            raise Refused(Refusal(503, _unreachable("The account is one of the platform"))) from error

    async def _see_others(self) -> None:
        """Look at what the database says of sessions: the first time before going on, later on the side."""
        if self._look is None and self._clock() >= self._next_look:
            self._next_look = self._clock() + _RETRY
            self._look = asyncio.create_task(self._look_once())
        if self._look and not self._shared.is_agreed:
            await asyncio.wait([self._look], timeout=_PATIENCE)

    async def _look_once(self) -> None:
        try:
            await to_thread.run_sync(self._shared.look, limiter=self._asking)
            self._next_look = self._clock() + _FRESH
        except ServiceManagerError as error:
            _log.info("sessions of other instances are not known", error=str(error))
        finally:
            self._look = None


def _unreachable(what: str) -> str:
    return f"{what}, but the platform's accounts can't be asked while the database is away: try again."
