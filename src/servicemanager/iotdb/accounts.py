"""The platform's accounts: the table `User` of the webconsole, which is only read."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from servicemanager.iotdb.engine import Database

#: Not among the tables that the embedded database is made of: there, nobody has an account.
_user = sa.table("User", *map(sa.column, ("email", "role", "password", "salt")))


@dataclass(frozen=True, repr=False)
class PlatformAccount:
    """A row of `User`; the password is the hash in base64, as is the salt."""

    email: str
    role: str
    password: str | None
    salt: str | None


def fetch_account(database: Database, email: str) -> PlatformAccount | None:
    """The account with this address, in the spelling of the table. Raises DatabaseUnreachable, DatabaseRefused.

    The column's collation decides which spellings are the same address.
    """
    query = sa.select(_user).where(_user.c.email == email).limit(1)
    with database.reading() as connection:
        row = connection.execute(query).first()
    return None if row is None else PlatformAccount(row.email, row.role or "", row.password, row.salt)
