"""Drivers' errors in our own words, each with its remedy. Statements and their values are never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
import sqlalchemy as sa

from servicemanager.errors import (
    DatabaseBusy,
    DatabaseRefused,
    DatabaseUnreachable,
    Incomparable,
    RightMissing,
    ServiceManagerError,
)

_LOST = {
    *(1040, 1047, 1053, 1077, 1079, 1129, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1927),
    *(2002, 2003, 2005, 2006, 2013, 2026, 2055, 3169, 4031),
}
#: Besides, several errors name the system's own: 'Got error 28 "No space left on device" from storage engine'.
_FULL = {1021, 1114}
_READ_ONLY = {1290, 1792, 1836}
#: 1062: another instance has just written the same row. 1412: a table was altered after a snapshot was taken.
_LOCKED = {1062, 1205, 1213, 1412, 1637, 3572}
_TOO_LONG = {1969, 3024}
#: A literal that the character set of a column lacks, against that column.
_INCOMPARABLE = {1267, 1270, 1271}
_LOGIN = {1045, 1130, 1251, 1698, 4151}
_NO_RIGHT = {1044, 1142, 1143, 1227, 1370}


@contextmanager
def translating(place: str, account: str = "") -> Iterator[None]:
    """Turn what the drivers raise inside into our errors, the cause kept. `account` is what a GRANT must name."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise translate(error.orig or error, place, account) from error
    except sa.exc.TimeoutError as error:
        raise DatabaseBusy(
            f"No connection to {place} became free within the time limit: raise MYSQL_CONNECTIONLIMIT."
        ) from error
    except pymysql.Error as error:
        raise translate(error, place, account) from error


def translate(error: BaseException, place: str, account: str = "") -> ServiceManagerError:
    """The error of ours that says what `error`, raised by a driver at `place`, means for a person."""
    if isinstance(error, pymysql.Error):
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        return _mysql(code, str(error.args[-1]) if error.args else str(error), place, account)
    return _sqlite(str(error), place)


def _mysql(code: int, text: str, place: str, account: str) -> ServiceManagerError:  # noqa: C901, PLR0911 -- a table of cases
    if code in _LOST or code == 0:
        return DatabaseUnreachable(
            f"The database at {place} can't be reached or broke the connection ({code}: {text}): check that the "
            "server runs, and MYSQL_HOST and MYSQL_PORT."
        )
    if code in _LOGIN:
        return DatabaseUnreachable(
            f"The database at {place} refuses the login ({code}: {text}): check MYSQL_USER and MYSQL_PASSWORD."
        )
    if code in _READ_ONLY:
        return DatabaseUnreachable(f"The database at {place} is read-only ({code}: {text}): name the writable server.")
    if code in _LOCKED:
        return DatabaseBusy(f"Another transaction at {place} holds the locks that this one needs ({code}: {text}).")
    if code in _TOO_LONG:
        return DatabaseBusy(f"The database at {place} took too long to answer: try again later.")
    if code in _INCOMPARABLE:
        return Incomparable(f"The tables at {place} can't hold a text with such characters.")
    if code == 1049:  # noqa: PLR2004 -- MySQL's numbers are names of their own
        return DatabaseRefused(f"{place} has no such database ({text}): check MYSQL_DATABASE.")
    if code in _NO_RIGHT:
        return RightMissing(_missing_right(text, place, account))
    if code == 1665:  # noqa: PLR2004
        return DatabaseRefused(
            f"{place} logs statements, not rows (binlog_format=STATEMENT), which forbids short locks: set "
            "binlog_format to ROW or MIXED."
        )
    if code in _FULL or "No space left" in text:
        return DatabaseRefused(
            f"The server at {place} has no space left ({code}: {text}): make room there, then run this again."
        )
    if code in {1146, 1054, 1051}:
        return DatabaseRefused(f"{place} lacks a table or a column ({text}): check MYSQL_DATABASE.")
    return DatabaseRefused(f"{place} refused a statement ({code}: {text}).")


def _missing_right(text: str, place: str, account: str) -> str:
    """Name the GRANT. The server's own words name the address that one comes from, which need not be the account's."""
    table = re.search(r"(?i)^(.+?) command denied to user (\S+?)(?: for column .*?)? (?:for|in) table (.+?)$", text)
    if table:
        right, user, name = table.groups()
        name = name if "." in name else f"`{place.rsplit('/', 1)[-1]}`.{name.replace(chr(39), '`')}"
        return f"The right {right} is missing at {place}. Give it with: GRANT {right} ON {name} TO {account or user};"
    database = re.search(r"(?i)denied for user (\S+) to database '(.+?)'", text)
    if database:
        user, name = database.groups()
        return (
            f"{user} has no rights on the database {name} at {place}: check MYSQL_DATABASE, or give the account the "
            "rights that docs/reference/grants-and-policy.md lists."
        )
    return f"A right is missing at {place} ({text}): the reference lists the GRANTs that are needed."


def _sqlite(text: str, place: str) -> ServiceManagerError:
    lowered = text.lower()
    if "locked" in lowered or "busy" in lowered or "unique constraint" in lowered:
        return DatabaseBusy(f"Another process holds the embedded database {place} ({text}).")
    if "unable to open" in lowered or "disk" in lowered or "readonly" in lowered or "not a database" in lowered:
        return DatabaseUnreachable(
            f"The embedded database {place} can't be used ({text}): check the folder, its owner and its free space."
        )
    return DatabaseRefused(f"The embedded database {place} refused a statement ({text}).")
