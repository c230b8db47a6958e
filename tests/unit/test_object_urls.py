"""How the two settings become the archive's root, and a root becomes a store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from servicemanager.archive.folder import FolderStore
from servicemanager.archive.objects import archive_url, open_store
from servicemanager.archive.s3 import S3Access
from servicemanager.errors import ConfigurationError


@pytest.mark.parametrize(
    ("bucket", "remote_directory", "url"),
    [
        ("ml-iot", "passagem/", "s3://ml-iot/passagem/"),
        ("ml-iot", "passagem", "s3://ml-iot/passagem/"),
        ("ml-iot", "/passagem//", "s3://ml-iot/passagem/"),
        ("ml-iot", "/", "s3://ml-iot/"),
        ("ml-iot", "", "s3://ml-iot/"),
        ("s3://ml-iot", "a/b", "s3://ml-iot/a/b/"),
        ("s3://ml-iot/", "", "s3://ml-iot/"),
        ("s3://ml-iot/extra/", "/a", "s3://ml-iot/extra/a/"),
        ("s3://ml-iot/50%20off", "a b", "s3://ml-iot/50%20off/a b/"),
        ("file:///srv/archive", "passagem/", "file:///srv/archive/passagem/"),
        ("file:///srv/archive/", "", "file:///srv/archive/"),
        ("file:///srv/my%20disk", "são joão=1", "file:///srv/my%20disk/s%C3%A3o%20jo%C3%A3o=1/"),
        ("file:///", "", "file:///"),
    ],
)
def test_the_root_ends_in_exactly_one_slash(bucket: str, remote_directory: str, url: str) -> None:
    assert archive_url(bucket, remote_directory) == url


@pytest.mark.parametrize(
    "bucket",
    [
        "",
        "/srv/archive",
        "ml-iot/extra",
        "file://host/share",
        "file://relative",
        "https://ml-iot.s3.amazonaws.com/",
        "s3://AKIAKEY:secret@ml-iot/",
        "s3:///a",
        "s3://../a",
        "evil.example/#",
        "b?x",
        "arn:aws:s3:::ml-iot",
    ],
)
def test_what_is_no_bucket_is_refused_without_being_repeated(bucket: str) -> None:
    with pytest.raises(ConfigurationError, match=r"export\.bucket must be") as caught:
        archive_url(bucket, "passagem/")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("bucket", "remote_directory", "setting"),
    [
        ("ml-iot", "../other", r"export\.remoteDirectory"),
        ("ml-iot", "a/./b", r"export\.remoteDirectory"),
        ("ml-iot", "a\nb", r"export\.remoteDirectory"),
        ("s3://ml-iot/..", "", r"export\.bucket"),
        ("file:///srv/%2e%2e/etc", "", r"export\.bucket"),
        ("file:///srv/nul%00", "", r"export\.bucket"),
    ],
)
def test_no_root_leads_astray(bucket: str, remote_directory: str, setting: str) -> None:
    with pytest.raises(ConfigurationError, match=setting):
        archive_url(bucket, remote_directory)


@pytest.mark.parametrize("name", ["plain", "são joão", "50% off", "a=b+c", "q?x#y"])
def test_a_folders_url_opens_the_same_folder(tmp_path: Path, name: str) -> None:
    url = archive_url(tmp_path.as_uri(), name)
    store = open_store(url)
    store.put_new("a", b"here", {})
    assert isinstance(store, FolderStore)
    assert (tmp_path / name / "a").read_bytes() == b"here"
    assert store.url == url
    assert Path(unquote(urlsplit(store.url_of("a")).path)).read_bytes() == b"here"


@pytest.mark.parametrize("url", ["s3://ml-iot/", "s3://ml-iot/passagem/"])
def test_a_bucket_is_opened_without_being_asked_for(url: str, no_ambient_aws: None) -> None:
    store = open_store(url)
    assert store.url == url
    assert store.url_of("facts/day=1/a b.parquet") == url + "facts/day=1/a b.parquet"


def test_a_folder_needs_no_botocore() -> None:
    script = (
        "import sys; from servicemanager.archive import objects, folder, s3;"
        "objects.open_store('file:///tmp/'); sys.exit('botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_what_botocore_knows_of_s3_is_read_once_for_all_clients(no_ambient_aws: None) -> None:
    first, second = (S3Access(region="us-east-1").client().meta.service_model for _ in range(2))
    assert first._service_description is second._service_description


def test_a_folder_of_descriptions_that_the_environment_names_is_still_looked_into(
    tmp_path: Path, no_ambient_aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    S3Access(region="us-east-1").client()
    described = tmp_path / "s3" / "2006-03-01"
    described.mkdir(parents=True)
    (described / "service-2.json").write_text("what is no JSON")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    with pytest.raises(ValueError, match="Expecting value"):
        S3Access(region="us-east-1").client()
