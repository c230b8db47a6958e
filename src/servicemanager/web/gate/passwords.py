"""Passwords, as the platform stores them: PBKDF2-HMAC-SHA1, 10 000 rounds, 64 bytes. Pure.

Every comparison costs the same, whether there is such an account or not.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from hmac import compare_digest

ROUNDS, LENGTH = 10_000, 64


@dataclass(frozen=True, repr=False)
class Stored:
    """A password as it is kept: its hash and the salt."""

    digest: bytes
    salt: bytes

    @classmethod
    def of(cls, password: str) -> Stored:
        """With a salt of its own."""
        salt = secrets.token_bytes(32)
        return cls(_derive(password, salt), salt)

    @classmethod
    def from_text(cls, password: str | None, salt: str | None) -> Stored | None:
        """As the table `User` holds it, in base64; None where that is no password."""
        try:
            stored = cls(base64.b64decode(password or "", validate=True), base64.b64decode(salt or ""))
        except (binascii.Error, ValueError):
            return None
        return stored if len(stored.digest) == LENGTH and stored.salt else None

    def matches(self, password: str) -> bool:
        """Takes some ten milliseconds.

        HMAC pads a short key with NUL, so that a password with one behind it would be the same.
        """
        return compare_digest(_derive(password, self.salt), self.digest) and "\0" not in password


#: What the password of nobody is compared with.
NOBODY = Stored(secrets.token_bytes(LENGTH), secrets.token_bytes(32))


def _derive(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha1", password.encode(errors="surrogatepass"), salt, ROUNDS, LENGTH)
