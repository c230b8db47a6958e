"""Steps: every touch of the outside world that an export makes, numbered, so that something can happen at the n-th.

The ports are the real ones. What is watched are all statements, commits and rollbacks of the database's engine, all
readings of rows, all calls of the object store (and each fsync of the folder's), all touches of the staging folder.
Only the thread that made the `Steps` counts: what the lease's renewal does in the background is no step.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PosixPath
from typing import Any

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.objects import ObjectStat, ObjectStore
from servicemanager.iotdb.engine import Database
from servicemanager.iotdb.facts import Facts

_STATEMENTS = ("do_execute", "do_executemany", "do_execute_no_params")


@dataclass(frozen=True)
class Step:
    """One touch, before it or after it."""

    number: int
    #: sql, commit, rollback, rows, store, disk
    port: str
    what: str
    #: Whether it is done already; what happens now loses its answer.
    done: bool
    #: The driver's connection, of sql, commit and rollback.
    connection: Any = None

    def __str__(self) -> str:
        return f"step {self.number}, {'after' if self.done else 'before'} {self.what}"


Deed = Callable[[Step], None]


@dataclass
class Steps:
    """Numbers the steps from 1 on, and does the deed at those in `at`.

    A step that only asks is the same moment after it as before the next one, and counts once; what changes something
    counts before and after. With `answers`, everything counts before and after, because its answer may get lost.
    """

    at: Container[int] = ()
    deed: Deed = print
    answers: bool = False
    seen: list[Step] = field(default_factory=list)
    _thread: int = field(default_factory=threading.get_ident)
    _at_it: bool = False

    @contextmanager
    def around(self, port: str, what: str, connection: Any = None, *, changes: bool = False) -> Iterator[None]:
        self.reach(port, what, connection)
        yield
        if changes or self.answers:
            self.reach(port, what, connection, done=True)

    def reach(self, port: str, what: str, connection: Any = None, *, done: bool = False) -> None:
        if threading.get_ident() != self._thread or self._at_it:
            return
        step = Step(len(self.seen) + 1, port, what, done, connection)
        self.seen.append(step)
        if step.number in self.at:
            self._at_it = True  # a deed's own steps are nobody's
            try:
                self.deed(step)
            finally:
                self._at_it = False


def watch_sql(database: Database, steps: Steps) -> None:
    """Below SQLAlchemy, where the driver is called: an error raised there is taken for the driver's own."""
    dialect: Any = database.engine.dialect
    for name in _STATEMENTS:
        setattr(dialect, name, partial(_execute, getattr(dialect, name), steps))
    dialect.do_commit = partial(_end, dialect.do_commit, steps, "commit")
    dialect.do_rollback = partial(_end, dialect.do_rollback, steps, "rollback")


def _execute(execute: Callable[..., None], steps: Steps, cursor: Any, statement: str, *rest: Any) -> None:
    with steps.around("sql", " ".join(statement.split()[:3]), cursor.connection):
        execute(cursor, statement, *rest)


def _end(end: Callable[[Any], None], steps: Steps, port: str, connection: Any) -> None:
    # SQLAlchemy hands over its own wrapping of the connection or the bare one.
    bare = getattr(connection, "driver_connection", None) or connection
    if _in_autocommit(bare):
        return end(connection)
    with steps.around(port, port, bare, changes=port == "commit"):
        return end(connection)


def _in_autocommit(connection: Any) -> bool:
    """Then there is nothing to roll back."""
    if isinstance(connection, sqlite3.Connection):
        return not connection.in_transaction
    return connection.get_autocommit()


class WatchedFacts(Facts):
    """Reading is a step, before it and after it: the reader has a connection of its own."""

    def __init__(self, facts: Facts, database: Database, steps: Steps) -> None:
        super().__init__(database, facts.shape)
        self._steps = steps

    def read(self, window):
        with self._steps.around("rows", f"the rows of {window}", changes=True):
            return super().read(window)


@dataclass(frozen=True)
class WatchedStore:
    """An `ObjectStore` of whose calls each is a step."""

    store: ObjectStore
    steps: Steps

    @property
    def url(self) -> str:
        return self.store.url

    def url_of(self, key: str) -> str:
        return self.store.url_of(key)

    def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        with self.steps.around("store", f"put {key}", changes=True):
            self.store.put_new(key, body, metadata)

    def read(self, key: str) -> bytes:
        with self.steps.around("store", f"read {key}"):
            return self.store.read(key)

    def stat(self, key: str) -> ObjectStat | None:
        with self.steps.around("store", f"stat {key}"):
            return self.store.stat(key)

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        with self.steps.around("store", f"list {prefix}"):
            yield from self.store.list(prefix)


def watched_folder(root: Path, steps: Steps) -> WatchedStore:
    """The same, and each fsync is a step."""

    def fsync(descriptor: int) -> None:
        steps.reach("disk", "fsync")
        os.fsync(descriptor)

    return WatchedStore(FolderStore(root, fsync=fsync), steps)


def watched_path(path: Path, steps: Steps) -> Path:
    """A path that counts whenever the system is given it: to make a file, to list a folder, to remove something."""

    class WatchedPath(PosixPath):
        def __fspath__(self) -> str:
            steps.reach("disk", "a staged file" if self.suffix else "the staging folder")
            return super().__fspath__()

    return WatchedPath(path)
