"""The port through which the archive is kept: immutable objects under one root URL.

An object is put once, whole, and never changed or deleted. Keys are relative to the root, which ends in
exactly one slash. ``folder.py`` and ``s3.py`` implement the port; ``tests/contract`` holds both to one suite.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, unquote

from servicemanager.errors import ArchiveRefused, ConfigurationError

if TYPE_CHECKING:
    from servicemanager.archive.s3 import S3Access

#: Parts of keys that begin so belong to puts in flight; the folder store shows them to nobody.
IN_FLIGHT: Final = ".put-"

_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_LAST_CONTROL_CHARACTER: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What a store knows about one object without reading it."""

    key: str
    size: int
    #: Hexadecimal; None where the store does not know it (a folder, a listing, somebody else's upload).
    sha256: str | None
    #: Whether it has to be restored from an archival storage class before it can be read. A listing can't
    #: see that a cold object was restored for some days; ``stat`` can.
    cold: bool
    #: None where the store keeps none (a folder) or does not tell (a listing).
    metadata: Mapping[str, str] | None


class ObjectStore(Protocol):
    """Blocking, and safe to share between threads.

    Every method raises `BucketUnreachable` when the store does not answer or does not let us in, and
    `ArchiveRefused` for a key that no object can have.
    """

    @property
    def url(self) -> str:
        """The root, such as ``s3://bucket/passagem/`` or ``file:///srv/archive/``."""

    def url_of(self, key: str) -> str:
        """The object's full URL; an S3 key stands in it as it is, a path percent-encoded."""

    def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        """Store the object durably, or raise `ObjectExists` and leave the one that is there untouched.

        `ObjectExists` is also the answer when an attempt of ours arrived and only its answer got lost, so a
        caller looks at what the object holds. Names of ``metadata`` are lower-case ASCII, values printable ASCII.
        """

    def read(self, key: str) -> bytes:
        """The whole object; raises `ObjectMissing`, `ObjectCold`, or `ArchiveDamaged` if its checksum is wrong."""

    def stat(self, key: str) -> ObjectStat | None:
        """None if there is no such object. What is reported here survives a power cut."""

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """Objects whose keys begin with ``prefix``, in the order of their keys' UTF-8 bytes, page by page."""


def open_store(url: str, access: S3Access | None = None) -> ObjectStore:
    """The store at a URL that `archive_url` made; ``access`` matters to S3 only. Nothing is contacted yet."""
    if url.startswith("file://"):
        from servicemanager.archive.folder import FolderStore

        return FolderStore(Path(unquote(url.removeprefix("file://"))))
    from servicemanager.archive.s3 import S3Access, S3Store

    return S3Store.open(url, access or S3Access())


def archive_url(bucket: str, remote_directory: str) -> str:
    """The archive's root, from ``export.bucket`` (a name or a URL) and ``export.remoteDirectory``.

    Neither value is repeated in an error: people write keys into URLs.
    """
    below = _parts(remote_directory, "export.remoteDirectory")
    scheme, separator, rest = bucket.partition("://") if "://" in bucket else ("s3", "", bucket)
    name, _, extra = rest.partition("/")
    parts = [*_parts(unquote(extra) if scheme == "file" else extra, "export.bucket"), *below]
    if scheme == "file" and not name:
        return file_url(Path("/", *parts))
    if scheme == "s3" and _BUCKET_NAME.fullmatch(name) and (separator or not extra):
        return "/".join(["s3:/", name, *parts, ""])
    raise ConfigurationError(
        "export.bucket must be the name of a bucket, s3://name/folder/, or file:///folder/ for a local folder."
    )


def file_url(folder: Path) -> str:
    # '=' and the like may stand in a path as they are (RFC 3986), and creation_date=… should be readable.
    return "file://" + quote(str(folder).rstrip("/"), safe="/=:@+,;!$&()~") + "/"


def check_key(key: str) -> str:
    """The key as it came; raises `ArchiveRefused` if it leads out of the root or not every store can hold it."""
    plain = "\x7f" not in key and all(character > _LAST_CONTROL_CHARACTER for character in key)
    if plain and is_text(key) and all(_is_name(part) for part in key.split("/")):
        return key
    raise ArchiveRefused(f"{key!r} can't be the name of an object in the archive.")


def is_text(name: str) -> bool:
    """Whether UTF-8 can write it: a file's name may hold any bytes."""
    return name.encode(errors="replace").decode() == name


def check_prefix(prefix: str) -> str:
    folder, slash, _ = prefix.rpartition("/")
    if slash:
        check_key(folder)
    return prefix


def check_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """S3 carries metadata in HTTP headers: it would change or refuse anything else on the way."""
    for name, value in metadata.items():
        if name != name.lower() or not (name + value).isascii() or not (name + value).isprintable():
            raise ValueError(f"Metadata {name!r} must be printable ASCII under a lower-case name.")
        if value != value.strip():
            raise ValueError(f"Metadata {name!r} must neither begin nor end with a space.")
    return metadata


def _is_name(part: str) -> bool:
    return part not in {"", ".", ".."} and not part.startswith(IN_FLIGHT)


def _parts(path: str, setting: str) -> list[str]:
    parts = [part for part in path.split("/") if part]
    try:
        return [check_key(part) for part in parts]
    except ArchiveRefused as refused:
        raise ConfigurationError(f"{setting} must not contain '.', '..' or control characters.") from refused
