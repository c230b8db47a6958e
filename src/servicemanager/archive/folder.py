"""The archive in a local folder.

An object becomes visible whole or not at all (a hard link to a finished, fsynced temporary file) and is
on the disk, with every directory that leads to it, before `put_new` or `stat` answers. No symbolic link below the
root is followed, so nothing outside it is ever read or written; the root itself may be one.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat as modes
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from servicemanager.archive import objects
from servicemanager.archive.objects import ObjectStat, check_key, file_url
from servicemanager.errors import BucketUnreachable, ObjectExists, ObjectMissing

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BELOW: Final = _DIRECTORY | os.O_NOFOLLOW
# O_NONBLOCK: a pipe of that name must not make us wait for its writer.
_OBJECT: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TEMPORARY: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ABANDONED_AFTER: Final = 3600  # seconds; an object is at most 64 MiB

_LINKS: Final = "needs the right to make hard links, on a file system that has them (not FAT, not every FUSE mount)"
_SENTENCES: Final = {
    errno.EACCES: "may not be read or written by this user: grant it the right",
    errno.EPERM: _LINKS,
    errno.EOPNOTSUPP: _LINKS,
    errno.EROFS: "lies on a read-only file system: mount it writable",
    errno.ENOSPC: "lies on a full file system: make room",
    errno.EDQUOT: "has used up its quota: raise it, or make room",
    errno.ELOOP: "holds a symbolic link where an object should be: put the object itself there",
    errno.ENOTDIR: "leads through a symbolic link or a file: put a folder there",
}


class FolderStore:
    """Implements `ObjectStore`; ``fsync`` is a parameter so that a test can watch it, or cut the power."""

    def __init__(self, root: Path, *, fsync: Callable[[int], None] = os.fsync) -> None:
        self._root = root.absolute()
        self._fsync = fsync

    @property
    def url(self) -> str:
        return file_url(self._root)

    def url_of(self, key: str) -> str:
        return file_url(self._root / check_key(key)).rstrip("/")

    def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        """Metadata is checked and not kept: a folder has no place for it, the Parquet file carries the same."""
        objects.check_metadata(metadata)
        *folders, name = check_key(key).split("/")
        with self._translated(), ExitStack() as opened:
            self._make_root()
            directories = self._descend(opened, folders, create=True)
            try:
                self._write_and_link(directories[-1], name, body)
            except FileExistsError as taken:
                raise ObjectExists(f"{self.url_of(key)} is already there.") from taken
            finally:
                # Also for one that is already there: whoever linked it may have died before this line.
                self._sync(directories)

    def read(self, key: str) -> bytes:
        *folders, name = check_key(key).split("/")
        with self._translated(), ExitStack() as opened:
            try:
                file = _open_object(opened, self._descend(opened, folders)[-1], name)
            except FileNotFoundError as missing:
                raise ObjectMissing(f"{self.url_of(key)} is gone: restore it from a backup.") from missing
            with os.fdopen(os.dup(file), "rb") as stream:
                return stream.read()

    def stat(self, key: str) -> ObjectStat | None:
        *folders, name = check_key(key).split("/")
        with self._translated(), ExitStack() as opened, suppress(FileNotFoundError):
            directories = self._descend(opened, folders)
            file = _open_object(opened, directories[-1], name)
            self._sync([*directories, file])
            return _plain(key, os.fstat(file).st_size)
        return None

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """Holds the names of one folder per level at a time."""
        objects.check_prefix(prefix)
        with self._translated(), ExitStack() as opened, suppress(FileNotFoundError):
            yield from _walk(self._descend(opened, [])[0], "", prefix)

    def _write_and_link(self, directory: int, name: str, body: bytes) -> None:
        temporary = f"{objects.IN_FLIGHT}{secrets.token_hex(8)}"
        file = os.open(temporary, _TEMPORARY, 0o640, dir_fd=directory)
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(body)
                stream.flush()
                self._fsync(file)
                _sweep(directory, older_than=os.fstat(file).st_mtime - _ABANDONED_AFTER)
            os.link(temporary, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=directory)

    def _descend(self, opened: ExitStack, folders: Sequence[str], *, create: bool = False) -> Sequence[int]:
        """Open directories from the root down to the last folder; step by step, so that no link is followed."""
        directories = [_closed_by(opened, os.open(self._root, _DIRECTORY))]
        for folder in folders:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(folder, 0o750, dir_fd=directories[-1])
            directories.append(_closed_by(opened, os.open(folder, _BELOW, dir_fd=directories[-1])))
        return directories

    def _make_root(self) -> None:
        missing = [folder for folder in (self._root, *self._root.parents) if not folder.is_dir()]
        for folder in reversed(missing):
            with suppress(FileExistsError):
                folder.mkdir(0o750)
            with ExitStack() as opened:
                self._sync([_closed_by(opened, os.open(folder.parent, _DIRECTORY))])

    def _sync(self, descriptors: Sequence[int]) -> None:
        """From the innermost outwards."""
        for descriptor in reversed(descriptors):
            try:
                self._fsync(descriptor)
            except OSError as refused:
                # Some network file systems know no fsync of a directory, and read-only ones need none.
                if refused.errno not in {errno.EINVAL, errno.EROFS}:
                    raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            sentence = _SENTENCES.get(error.errno or 0, f"can't be used ({error.strerror}): check its file system")
            raise BucketUnreachable(f"The archive folder {self.url} {sentence}.") from error


def _closed_by(opened: ExitStack, descriptor: int) -> int:
    opened.callback(os.close, descriptor)
    return descriptor


def _open_object(opened: ExitStack, directory: int, name: str) -> int:
    file = _closed_by(opened, os.open(name, _OBJECT, dir_fd=directory))
    if not modes.S_ISREG(os.fstat(file).st_mode):
        raise FileNotFoundError(errno.ENOENT, "is no regular file", name)
    return file


def _walk(directory: int, folder: str, prefix: str) -> Iterator[ObjectStat]:
    for name, is_folder in _names(directory):
        key = folder + name
        if is_folder and (key.startswith(prefix) or prefix.startswith(key)):
            with ExitStack() as opened, suppress(FileNotFoundError):
                below = _closed_by(opened, os.open(name, _BELOW, dir_fd=directory))
                yield from _walk(below, key, prefix)
        elif not is_folder and key.startswith(prefix):
            with suppress(FileNotFoundError):
                yield _plain(key, os.stat(name, dir_fd=directory, follow_symlinks=False).st_size)


def _names(directory: int) -> list[tuple[str, bool]]:
    """Objects, and folders with their slash, which counts in the order of whole keys; links are neither."""
    with os.scandir(directory) as entries:
        seen = [entry for entry in entries if objects.is_text(entry.name)]
    names = [(entry.name + "/", True) for entry in seen if entry.is_dir(follow_symlinks=False)]
    names += [(entry.name, False) for entry in seen if entry.is_file(follow_symlinks=False)]
    return sorted((item for item in names if not _is_in_flight(item[0])), key=lambda item: item[0].encode())


def _plain(key: str, size: int) -> ObjectStat:
    return ObjectStat(key, size, sha256=None, cold=False, metadata=None)


def _sweep(directory: int, *, older_than: float) -> None:
    """Take away what killed puts left, going by the file system's own clock.

    Should it take one that is alive after all, that put fails before anything of it can be seen.
    """
    with os.scandir(directory) as entries:
        in_flight = [entry for entry in entries if _is_in_flight(entry.name)]
    for entry in in_flight:
        with suppress(OSError):
            if entry.stat(follow_symlinks=False).st_mtime < older_than:
                os.unlink(entry.name, dir_fd=directory)


def _is_in_flight(name: str) -> bool:
    return name.startswith(objects.IN_FLIGHT)
