"""Exports, and other work, in processes of their own, that a signal of theirs stops or kills at a step.

They are forked from one server process that has imported everything and runs nothing, so that each starts at once.
"""

from __future__ import annotations

# What a run would import otherwise: the server process does so once for all its children.
import _strptime  # noqa: F401
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

import boto3  # noqa: F401
import numpy.ma  # noqa: F401
import pyarrow.compute  # noqa: F401
import pytest
import sqlalchemy.dialects.mysql.pymysql
import sqlalchemy.dialects.sqlite.pysqlite  # noqa: F401

from .faults import Step, Steps
from .faults_export import LEASE, Export, Place

_PATIENCE = 60  # seconds
#: Called with a place, the steps and `lease`, makes something to `run`. Must be known by a name, to be sent over.
Work = Callable[..., Any]
STOPPING = "stopping"


class Killed(Exception):
    """The process did not come to its end."""


@dataclass
class Worker:
    """A running export, or other work."""

    process: Any
    report: Connection

    def await_stop(self) -> None:
        """Until it is about to send itself SIGSTOP."""
        assert self.report.poll(_PATIENCE), "the process hangs"
        assert self.report.recv() == STOPPING

    def wake(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def result(self) -> Any:
        """Raises what the work raised, or Killed."""
        try:
            outcome = self._outcome()
        finally:
            self.end()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _outcome(self) -> object:
        assert self.report.poll(_PATIENCE), "the process hangs"
        try:
            outcome = self.report.recv()
        except EOFError:
            self.process.join(_PATIENCE)
            assert self.process.exitcode == -signal.SIGKILL
            return Killed()
        self.process.join(_PATIENCE)
        return outcome

    def end(self) -> None:
        if not self.process._closed:
            self.process.kill()
            self.process.join()
            self.process.close()
        self.report.close()


class Workers:
    """Starts them."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", __name__])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # older Pythons forget it
            patch.setenv("OPENBLAS_NUM_THREADS", "1")  # else numpy starts threads at its import
            forkserver.ensure_running()

    def start(
        self,
        place: Place,
        at: int,
        sign: signal.Signals = signal.SIGKILL,
        lease: timedelta = LEASE,
        work: Work = Export,
    ) -> Worker:
        """An export, or other work, that sends itself the signal at a step."""
        mine, theirs = self._context.Pipe(duplex=False)
        arguments = (partial(work, place, lease=lease), at, sign, dict(os.environ), theirs)
        process = self._context.Process(target=_work, args=arguments)
        process.start()
        theirs.close()
        return Worker(process, mine)


def _work(
    work: Callable[[Steps], Any], at: int, sign: signal.Signals, environ: Mapping[str, str], report: Connection
) -> None:
    gc.disable()  # it would look through all that was imported, and copy it
    os.environ.clear()
    os.environ.update(environ)

    def deed(_: Step) -> None:
        if sign == signal.SIGSTOP:
            report.send(STOPPING)
        os.kill(os.getpid(), sign)

    try:
        outcome: object = work(Steps({at}, deed)).run()
    except BaseException as error:  # noqa: BLE001 -- it is raised again where it is waited for
        outcome = error
    report.send(outcome)


@pytest.fixture(scope="session")
def workers() -> Workers:
    return Workers()
