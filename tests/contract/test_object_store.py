"""What every object store promises, whatever keeps the bytes; beneath, what only a folder has to prove."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.objects import ObjectStore, archive_url, open_store
from servicemanager.errors import ArchiveRefused, BucketUnreachable, ObjectExists, ObjectMissing

KEY = "facts/creation_date=2026-11-20/20261120T030000Z-20261121T030000Z-g0.parquet"
ODD_KEYS = ["a=b/c d.txt", "loja são joão/ação.txt", "emoji/\N{PACKAGE}+1%20&?#~.txt", "quotes/'\".txt"]

ASTRAY = ["", "/a", "..", "../x", "a/../x", "a/./x", "a//x", "a/", "\0", "a\n", "\x7f", "\udcff", ".put-1", "a/.put-"]


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """One implementation after the other, empty, under a prefix."""
    if request.param == "folder":
        return open_store(archive_url(tmp_path.as_uri(), "passagem"))
    access = request.getfixturevalue("s3_access")
    bucket = request.getfixturevalue("s3_bucket")
    return open_store(archive_url(bucket, "passagem"), replace(access, page_size=10))


def keys(store: ObjectStore, prefix: str = "") -> Sequence[str]:
    return [found.key for found in store.list(prefix)]


def test_an_object_is_read_back_as_it_was_put(store: ObjectStore) -> None:
    store.put_new(KEY, b"readings", {"rows": "3"})
    assert store.read(KEY) == b"readings"


def test_a_second_put_is_refused_and_the_first_content_stays(store: ObjectStore) -> None:
    store.put_new(KEY, b"first", {})
    with pytest.raises(ObjectExists, match="already there"):
        store.put_new(KEY, b"second", {})
    assert store.read(KEY) == b"first"


def test_a_second_put_of_the_same_content_is_refused_too(store: ObjectStore) -> None:
    store.put_new(KEY, b"same", {})
    with pytest.raises(ObjectExists):
        store.put_new(KEY, b"same", {})


def test_of_eight_puts_at_once_exactly_one_wins(store: ObjectStore) -> None:
    everybody_ready = threading.Barrier(8)

    def put(number: int) -> int | None:
        everybody_ready.wait()
        try:
            store.put_new(KEY, f"writer {number}".encode() * 1000, {})
        except ObjectExists:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(put, range(8)) if number is not None]
    assert len(winners) == 1
    assert store.read(KEY) == f"writer {winners[0]}".encode() * 1000


def test_stat_tells_what_is_known_and_nothing_wrong(store: ObjectStore) -> None:
    store.put_new(KEY, b"readings", {"rows": "3", "source": "a b"})
    found = store.stat(KEY)
    assert found is not None
    assert (found.key, found.size, found.cold) == (KEY, 8, False)
    assert found.sha256 in {None, hashlib.sha256(b"readings").hexdigest()}
    assert found.metadata in (None, {"rows": "3", "source": "a b"})


def test_an_object_that_is_not_there_has_no_stat(store: ObjectStore) -> None:
    assert store.stat(KEY) is None
    store.put_new(KEY, b"", {})
    assert store.stat(KEY + "x") is None
    assert store.stat("facts") is None


def test_reading_what_is_not_there_says_that_it_is_gone(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing, match=r"20261120T030000Z.* is gone"):
        store.read(KEY)
    store.put_new(KEY, b"", {})
    with pytest.raises(ObjectMissing):
        store.read("facts")


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put_new(KEY, b"", {})
    assert store.read(KEY) == b""
    assert [found.size for found in store.list("")] == [0]


def test_twenty_megabytes_arrive_intact(store: ObjectStore) -> None:
    body = bytes(range(256)) * (20 * 4096)
    store.put_new(KEY, body, {})
    assert store.read(KEY) == body


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_may_hold_anything_that_people_write(store: ObjectStore, key: str) -> None:
    store.put_new(key, key.encode(), {})
    assert store.read(key) == key.encode()
    assert keys(store) == [key]
    assert store.stat(key) is not None


def test_a_key_that_could_lead_astray_is_refused_everywhere(store: ObjectStore) -> None:
    asked = (store.read, store.stat, store.url_of, lambda key: store.put_new(key, b"", {}))
    for ask, key in itertools.product(asked, ASTRAY):
        with pytest.raises(ArchiveRefused):
            ask(key)
    assert keys(store) == []


@pytest.mark.parametrize("metadata", [{"Rows": "3"}, {"rows": "é"}, {"rows": "3\nx: y"}, {"rows": " 3"}])
def test_metadata_that_http_would_change_is_refused_before_anything_is_stored(
    store: ObjectStore, metadata: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"printable ASCII|space"):
        store.put_new(KEY, b"", metadata)
    assert keys(store) == []


def test_an_empty_store_lists_nothing(store: ObjectStore) -> None:
    assert keys(store) == []
    assert keys(store, "facts/creation_date=2026-11-20/") == []


def test_a_listing_runs_over_all_pages_in_the_order_of_the_bytes(store: ObjectStore) -> None:
    names = ["a", "a-b/x", "a.b", "aa", "b/x", "b!", "b0", "é", "z/y/x", "z/y-", "\N{PACKAGE}"]
    expected = sorted([*names, *(f"day={day:02}/g0.parquet" for day in range(20))], key=str.encode)
    for name in reversed(expected):
        store.put_new(name, b"12", {})
    assert keys(store) == expected
    assert {found.size for found in store.list("")} == {2}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("facts/", ["facts/day=1/a", "facts/day=1/b", "facts/day=10/a"]),
        ("facts/day=1", ["facts/day=1/a", "facts/day=1/b", "facts/day=10/a"]),
        ("facts/day=1/", ["facts/day=1/a", "facts/day=1/b"]),
        ("facts/day=1/b", ["facts/day=1/b"]),
        ("fac", ["facts/day=1/a", "facts/day=1/b", "facts/day=10/a"]),
        ("facts/day=1/a/", []),
        ("none/", []),
    ],
)
def test_a_prefix_need_not_end_at_a_slash(store: ObjectStore, prefix: str, expected: list[str]) -> None:
    for key in ("facts/day=1/a", "facts/day=1/b", "facts/day=10/a", "other"):
        store.put_new(key, b"", {})
    assert keys(store, prefix) == expected


def test_two_prefixes_in_one_place_do_not_see_each_other(store: ObjectStore) -> None:
    store.put_new("sibling/a", b"", {})
    assert keys(store, "") == ["sibling/a"]
    with pytest.raises(ArchiveRefused):
        list(store.list("../"))


def test_the_url_of_an_object_begins_with_the_root(store: ObjectStore) -> None:
    assert store.url.endswith("/passagem/")
    assert store.url_of(KEY) == store.url + KEY


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@dataclass
class Watched:
    """An fsync that tells, for each call, what it was given and whether the object could be seen by then."""

    visible: Path
    calls: list[tuple[str, bool]] = field(default_factory=list)

    def __call__(self, descriptor: int) -> None:
        os.fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        name = "temporary" if path.name.startswith(".put-") else path.name
        self.calls.append((name, self.visible.exists()))


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read and write everything, so it steps aside."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_syncs_the_bytes_before_the_name_and_the_name_before_it_answers(tmp_path: Path) -> None:
    fsync = Watched(tmp_path / "new" / "root" / "day" / "a")
    FolderStore(tmp_path / "new" / "root", fsync=fsync).put_new("day/a", b"readings", {})
    made = [(tmp_path.name, False), ("new", False)]
    assert fsync.calls == [*made, ("temporary", False), ("day", True), ("root", True)]


@pytest.mark.parametrize("ask", [lambda store: store.stat("day/a"), lambda store: store.put_new("day/a", b"", {})])
def test_a_folder_makes_durable_what_a_killed_put_left_before_it_confirms_it(
    tmp_path: Path, ask: Callable[[ObjectStore], object]
) -> None:
    FolderStore(tmp_path).put_new("day/a", b"readings", {})
    fsync = Watched(tmp_path / "day" / "a")
    with suppress(ObjectExists):
        ask(FolderStore(tmp_path, fsync=fsync))
    assert fsync.calls[-2:] == [("day", True), (tmp_path.name, True)]


def test_a_put_that_is_killed_before_the_link_leaves_nothing_that_can_be_seen(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys; from servicemanager.archive.folder import FolderStore\n"
        "def die(_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "FolderStore(pathlib.Path(sys.argv[1]), fsync=die).put_new('a', b'half', {})"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    store = FolderStore(tmp_path)
    assert len(names_in(tmp_path)) == 1
    assert keys(store) == []
    store.put_new("a", b"whole", {})
    assert keys(store) == ["a"]


def test_what_killed_puts_left_is_swept_after_an_hour_and_not_before(tmp_path: Path) -> None:
    for age, name in ((3500, ".put-young"), (3700, ".put-old")):
        (tmp_path / name).write_bytes(b"half")
        written = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (written, written))
    FolderStore(tmp_path).put_new("a", b"", {})
    assert names_in(tmp_path) == [".put-young", "a"]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "full file system: make room"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "Input/output error"),
        (errno.EPERM, "hard links"),
    ],
)
def test_a_folder_whose_disk_fails_says_how_and_keeps_nothing_half_done(
    tmp_path: Path, number: int, sentence: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(BucketUnreachable, match=sentence) as caught:
        FolderStore(tmp_path, fsync=fail).put_new("a", b"readings", {})
    assert isinstance(caught.value.__cause__, OSError)
    assert names_in(tmp_path) == []


def test_a_folder_that_this_user_may_not_use_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o000)
    store = FolderStore(tmp_path / "archive")
    with without_privileges():
        for ask in (store.read, store.stat, lambda key: store.put_new(key, b"", {}), lambda _: keys(store)):
            with pytest.raises(BucketUnreachable, match="may not be read or written by this user"):
                ask("a")
    tmp_path.chmod(0o700)


def test_a_file_where_the_root_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"")
    with pytest.raises(BucketUnreachable, match=r"/archive/ leads through a symbolic link or a file"):
        FolderStore(tmp_path / "archive").put_new("a", b"", {})


def test_no_link_leads_out_of_a_folder(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (outside / "a").write_bytes(b"secret")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "a")
    store = FolderStore(root)
    assert keys(store) == []
    assert keys(store, "folder/") == []
    for key in ("folder/a", "file"):
        for ask in (store.read, store.stat):
            with pytest.raises(BucketUnreachable, match="symbolic link"):
                ask(key)
    with pytest.raises(BucketUnreachable, match="symbolic link"):
        store.put_new("folder/b", b"", {})
    with pytest.raises(ObjectExists):
        store.put_new("file", b"", {})
    assert names_in(outside) == ["a"]


def test_the_root_itself_may_be_a_link_to_another_disk(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "archive").symlink_to(tmp_path / "disk")
    FolderStore(tmp_path / "archive").put_new("day/a", b"", {})
    assert keys(FolderStore(tmp_path / "disk")) == ["day/a"]


def test_pipes_and_names_that_are_no_text_are_no_objects(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"")
    store = FolderStore(tmp_path)
    assert keys(store) == []
    assert store.stat("pipe") is None


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o640), (0o022, 0o640), (0o077, 0o600)])
def test_objects_are_nobodys_business_but_the_groups(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        FolderStore(tmp_path).put_new("a", b"", {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode
