"""Sessions: what a signed cookie says, and whether it still holds."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest

from itsdangerous import BadData, URLSafeTimedSerializer

from servicemanager.web.gate.accounts import Account
from servicemanager.web.gate.shared import Shared

_SALT = "servicemanager session"


@dataclass(frozen=True)
class Session:
    """`proof` binds it to the account's password at the time."""

    name: str
    number: str
    proof: str
    began_at: datetime

    @property
    def csrf(self) -> str:
        """The token of its forms: it follows from the number, which only the cookie tells."""
        return hashlib.sha256(f"csrf {self.number}".encode()).hexdigest()


class Sessions:
    """Makes cookies and reads them; asks nobody."""

    def __init__(
        self, shared: Shared, lifetime: timedelta, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._shared, self.lifetime, self._now = shared, lifetime, now

    def begin(self, account: Account) -> str:
        """The text of a cookie."""
        number = secrets.token_hex(16)
        proof = _proof(self._shared.secrets[-1], number, account)
        return str(self._serializer().dumps([account.name, number, proof]))

    def read(self, cookie: str) -> Session | None:
        """What a cookie of ours says that is not too old and was not ended; None for any other text."""
        try:
            content, began_at = self._serializer().loads(cookie, return_timestamp=True)
            name, number, proof = map(str, content)
        except (BadData, ValueError, TypeError):
            return None
        over = began_at + self.lifetime <= self._now() or self._shared.is_ended(number)
        return None if over else Session(name, number, proof, began_at)

    def is_of(self, session: Session, account: Account) -> bool:
        """Whether the account's password is the one with which the session began."""
        proofs = [_proof(secret, session.number, account) for secret in self._shared.secrets]
        return any(compare_digest(session.proof, proof) for proof in proofs)

    def end(self, session: Session) -> None:
        self._shared.end(session.number, session.began_at + self.lifetime)

    def _serializer(self) -> URLSafeTimedSerializer:
        options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        return URLSafeTimedSerializer(self._shared.secrets, salt=_SALT, signer_kwargs=options)


def _proof(secret: bytes, number: str, account: Account) -> str:
    content = b"\0".join((number.encode(), account.name.encode(), account.stamp))
    return hmac.new(secret, content, hashlib.sha256).hexdigest()


def cookie_name(scheme: str) -> str:
    """Under TLS a browser takes a cookie of this name from nobody but this very host, and only over TLS."""
    return "__Host-servicemanager" if scheme == "https" else "servicemanager"
