"""Errors as the drivers raise them, thrown at a step, and what may come of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pymysql

from servicemanager.errors import ServiceManagerError
from servicemanager.jobs.job import JobResult

from .faults import Step
from .faults_export import Failure

#: Of a commit that went through, by dialect.
LOST_ANSWERS = {
    "mysql": pymysql.OperationalError(2013, "Lost connection to MySQL server during query"),
    "sqlite": sqlite3.OperationalError("disk I/O error"),
}


def throw(error: BaseException) -> Callable[[Step], None]:
    def deed(_: Step) -> None:
        raise error

    return deed


def assert_ours(outcome: JobResult | Failure, *others: type[BaseException]) -> None:
    """A run may get over a fault, or say so in an error of ours: never in a driver's."""
    assert isinstance(outcome, JobResult) or issubclass(outcome.kind, (ServiceManagerError, *others)), outcome
