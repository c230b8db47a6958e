"""Staging folders that are full, read-only, missing, shared or that give back other bytes."""

import os
import stat
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from servicemanager.errors import StagingFailed
from servicemanager.export import seal
from servicemanager.export.staging import staged_file
from servicemanager.iotdb.engine import database_uuid
from servicemanager.iotdb.upgrade import upgrade
from support.exports import make_job, run
from support.sites import Site, old_rows

ROWS = old_rows(each=300)
REMEDY = "check that it exists, may be written and has room, or name another one in EXPORT_LOCALDIRECTORY"

#: A namespace of mounts of its own, so that nothing is left behind.
MOUNTING = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "sh", "-c"]


def mounted(options: str) -> list[str]:
    """A command that runs another one with a small file system of its own on the staging folder."""
    script = f'mount -t tmpfs -o {options} tmpfs "$EXPORT_LOCALDIRECTORY" && exec "$@"'
    return [*MOUNTING, script, "sh"]


def may_mount() -> bool:
    script = "mount -t tmpfs tmpfs /mnt"
    return subprocess.run([*MOUNTING, script], check=False, capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not may_mount(), reason="this machine lets nobody mount a file system")


@pytest.fixture
def site(site) -> Site:
    """With rows."""
    site.iotdb.insert(ROWS)
    return site


def test_a_missing_staging_folder_is_named_before_anything_is_read(site):
    ran = site.export(EXPORT_LOCALDIRECTORY=site.folder / "nowhere")
    assert ran.status == 1
    assert f"The staging directory {site.folder}/nowhere can't be used (No such file or directory)" in ran.sentence
    assert REMEDY in ran.sentence
    site.check_untouched(ROWS)
    site.finish(ROWS)


def test_a_file_in_place_of_the_staging_folder_is_named(site):
    (site.folder / "file").touch()
    ran = site.export(EXPORT_LOCALDIRECTORY=site.folder / "file")
    assert ran.status == 1
    assert f"The staging directory {site.folder}/file can't be used (Not a directory)" in ran.sentence
    site.check_untouched(ROWS)


@needs_mounts
@pytest.mark.parametrize(
    ("options", "reason"), [("size=4k", "No space left on device"), ("ro", "Read-only file system")]
)
def test_a_full_or_read_only_staging_folder_is_named(site, options: str, reason: str):
    ran = site.export(wrapper=mounted(options))
    assert ran.status == 1
    assert f"The staging directory {site.staging} can't be used ({reason})" in ran.sentence
    assert REMEDY in ran.sentence
    site.check_untouched(ROWS)
    site.finish(ROWS)


def test_a_limit_on_the_size_of_files_is_named_as_what_the_folder_lacks(site):
    ran = site.export(wrapper=["sh", "-c", 'ulimit -f 4; exec "$@"', "sh"])
    assert ran.status == 1
    assert f"The staging directory {site.staging} can't be used (File too large)" in ran.sentence
    site.check_untouched(ROWS)
    assert list(site.staging.iterdir()) == []
    site.finish(ROWS)


DAMAGES = {
    "its last byte is gone": lambda body: body[:-1],
    "its second half is gone": lambda body: body[: len(body) // 2],
    "it is empty": lambda body: b"",
    "its first bit is flipped": lambda body: flipped(body, 0),
    "a bit in its middle is flipped": lambda body: flipped(body, 1000),
    "a bit of its footer is flipped": lambda body: flipped(body, -10),
    "its label tells another generation": lambda body: body.replace(b'"generation":0', b'"generation":7'),
    "its label tells another database": lambda body: body.replace(b'"database":"', b'"database":"f', 1)[:-1],
    "its statistics are others": lambda body: body.replace(b"board 4", b"board 2"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_staged_file_that_is_not_what_was_written_is_never_put(site, monkeypatch, damage: str):
    on_a_bad_disk(monkeypatch, DAMAGES[damage])
    with pytest.raises(StagingFailed, match="gave back other bytes than were written"):
        archive_here(site)
    monkeypatch.undo()
    site.check_untouched(ROWS)
    site.finish(ROWS)


def test_a_staged_file_is_for_our_own_eyes(site, monkeypatch):
    seen = []

    def look(body: bytes) -> bytes:
        seen.extend(path.stat().st_mode for path in site.staging.iterdir())
        return body

    on_a_bad_disk(monkeypatch, look)
    archive_here(site)
    assert {stat.S_IMODE(mode) for mode in seen} == {0o600}


def test_the_next_run_sweeps_what_a_killed_one_left_and_nothing_else(site):
    upgrade(site.iotdb.database)
    uuid = database_uuid(site.iotdb.database)
    ours = site.staging / f"servicemanager-{uuid}-0123.parquet"
    others = [site.staging / "servicemanager-another-0123.parquet", site.staging / "holiday.jpg"]
    for path in (ours, *others):
        path.write_bytes(b"PAR1")
    assert site.export().status == 0
    assert sorted(site.staging.iterdir()) == sorted(others)


def test_a_link_in_the_staging_folder_leads_nowhere(site):
    precious = site.folder / "precious"
    precious.write_text("keep")
    upgrade(site.iotdb.database)
    (site.staging / f"servicemanager-{database_uuid(site.iotdb.database)}-1.parquet").symlink_to(precious)
    site.finish(ROWS)
    assert precious.read_text() == "keep"


def archive_here(site: Site) -> None:
    upgrade(site.iotdb.database)
    run(make_job(site.iotdb, site.store, site.staging))


def flipped(body: bytes, place: int) -> bytes:
    place %= len(body)
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def on_a_bad_disk(monkeypatch, damage) -> None:
    """Spoil each staged file before it is read back, as a bad disk would."""

    @contextmanager
    def staged(directory: Path, uuid: str):
        with staged_file(directory, uuid) as file:
            yield BadDisk(file, damage)

    monkeypatch.setattr(seal, "staged_file", staged)


@dataclass
class BadDisk:
    """A file that is another one when it is read from its beginning."""

    file: BinaryIO
    damage: Callable[[bytes], bytes]

    def __getattr__(self, name):
        return getattr(self.file, name)

    def seek(self, place: int) -> int:
        self.file.seek(0)
        body = self.damage(self.file.read())
        self.file.seek(0)
        self.file.truncate()
        self.file.write(body)
        return self.file.seek(place)
