"""Files that are being built, in export.localDirectory: for our own eyes, and gone after the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from servicemanager.errors import StagingFailed

_FLAGS = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


def _prefix(uuid: str) -> str:
    return f"servicemanager-{uuid}-"


@contextmanager
def staged_file(directory: Path, uuid: str) -> Iterator[BinaryIO]:
    """A new file that only we may read, removed at the end. Raises StagingFailed."""
    path = directory / f"{_prefix(uuid)}{uuid4().hex}.parquet"
    with failing_in(directory):
        descriptor = os.open(path, _FLAGS, 0o600)
    try:
        # What is still to be written when the file is closed may find the disk full, too.
        with failing_in(directory), os.fdopen(descriptor, "w+b") as file:
            yield file
    finally:
        with suppress(OSError):
            path.unlink()


def sweep(directory: Path, uuid: str) -> int:
    """Remove what killed runs of this database left behind, and return how many files that were.

    Called by the holder of the export's lease: nobody else can be building any of them.
    """
    removed = 0
    with failing_in(directory):
        found = list(directory.iterdir())
    leftovers = [path for path in found if path.name.startswith(_prefix(uuid)) and path.suffix == ".parquet"]
    for path in leftovers:
        with suppress(OSError):
            path.unlink()
            removed += 1
    return removed


@contextmanager
def failing_in(directory: Path) -> Iterator[None]:
    """Turn what the disk says into StagingFailed."""
    try:
        yield
    except OSError as error:
        raise StagingFailed(
            f"The staging directory {directory} can't be used ({error.strerror or error}): check that it exists, "
            "may be written and has room, or name another one in EXPORT_LOCALDIRECTORY."
        ) from error
