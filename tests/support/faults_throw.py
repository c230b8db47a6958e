"""Errors as the drivers raise them, thrown at a step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pymysql

from .faults import Step

#: Of a commit that went through, by dialect.
LOST_ANSWERS = {
    "mysql": pymysql.OperationalError(2013, "Lost connection to MySQL server during query"),
    "sqlite": sqlite3.OperationalError("disk I/O error"),
}


def throw(error: BaseException) -> Callable[[Step], None]:
    def deed(_: Step) -> None:
        raise error

    return deed
