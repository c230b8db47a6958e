"""Staged files: for our eyes only, gone after the run, and a disk that fails says so in our words."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servicemanager.errors import StagingFailed
from servicemanager.export.staging import failing_in, staged_file, sweep

UUID = "6d1c6f0e-2f57-4a9f-9a2e-7f7b7f3c0001"
OTHER = "0b7e5c1e-58a4-4f0c-8a38-0a4f4c0d0002"


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_staged_file_is_readable_by_its_owner_only_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        with staged_file(tmp_path, UUID):
            (path,) = tmp_path.iterdir()
            assert mode(path) == 0o600
    finally:
        os.umask(before)


def test_what_is_written_can_be_read_back(tmp_path):
    with staged_file(tmp_path, UUID) as file:
        file.write(b"rows")
        file.seek(0)
        assert file.read() == b"rows"


def test_it_is_gone_afterwards_however_the_run_ends(tmp_path):
    with staged_file(tmp_path, UUID):
        pass
    with pytest.raises(KeyboardInterrupt), staged_file(tmp_path, UUID):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_somebody_else_has_taken_away_is_no_trouble(tmp_path):
    with staged_file(tmp_path, UUID):
        (path,) = tmp_path.iterdir()
        path.unlink()


def test_two_files_never_share_a_name(tmp_path):
    with staged_file(tmp_path, UUID), staged_file(tmp_path, UUID):
        assert len(list(tmp_path.iterdir())) == 2


def test_only_what_killed_runs_of_this_database_left_is_swept(tmp_path):
    left = [tmp_path / f"servicemanager-{UUID}-{n}.parquet" for n in range(2)]
    kept = [
        tmp_path / f"servicemanager-{OTHER}-0.parquet",
        tmp_path / f"servicemanager-{UUID}-0.csv",
        tmp_path / "data.parquet",
    ]
    for path in (*left, *kept):
        path.touch()
    assert sweep(tmp_path, UUID) == 2
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert sweep(tmp_path, UUID) == 0


def test_what_can_not_be_swept_stays(tmp_path):
    (tmp_path / f"servicemanager-{UUID}-a.parquet").mkdir()
    assert sweep(tmp_path, UUID) == 0


def refused(directory) -> str:
    with pytest.raises(StagingFailed) as caught, staged_file(directory, UUID):
        pass
    return str(caught.value)


def test_a_directory_that_is_missing_is_named_with_its_remedy(tmp_path):
    message = refused(tmp_path / "missing")
    assert str(tmp_path / "missing") in message
    assert "No such file or directory" in message
    assert "EXPORT_LOCALDIRECTORY" in message


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "Not a directory" in refused(tmp_path / "file")


def test_a_directory_without_rights_is_refused():
    assert "/sys can't be used" in refused(Path("/sys"))  # where not even root can make a file


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file of this process can grow beyond `room` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [100, 10_000, 5_000_000])
def test_a_full_disk_is_a_failed_staging_and_leaves_nothing(tmp_path, size):
    failed = pytest.raises(StagingFailed, match="has room")
    with full_disk(room=50), failed, staged_file(tmp_path, UUID) as file, failing_in(tmp_path):
        file.write(b"x" * size)
        file.flush()
    assert list(tmp_path.iterdir()) == []


def test_only_what_the_disk_says_is_taken_for_its_failure(tmp_path):
    with pytest.raises(ValueError, match="other"), failing_in(tmp_path):
        raise ValueError("other")
