"""Verify finds what is wrong with an archive, with the journal and from the bucket alone."""

from collections import Counter
from pathlib import Path

import pytest

from servicemanager.archive.journal import Journal
from servicemanager.archive.objects import open_store
from servicemanager.archive.proof import Stores
from servicemanager.archive.verify import Days, Summary, Verdict, Verifier, known_objects
from servicemanager.iotdb.engine import database_uuid
from support.exports import archived_tables, days_ago, make_job, run
from support.iotdb import reading

pytestmark = pytest.mark.parametrize("iotdb", ["sqlite", "timestamp"], indirect=True)


@pytest.fixture
def archive(iotdb, store, staging):
    """Three days, the oldest with a second generation."""
    iotdb.insert([reading(days_ago(day), data=n) for day in (3, 2, 1) for n in range(9)])
    run(make_job(iotdb, store, staging))
    iotdb.insert([reading(days_ago(3), data=1)])
    run(make_job(iotdb, store, staging))
    return store


def verify(iotdb, store, *, bucket_only=False, days=None) -> Summary:
    known = None if bucket_only else known_objects(Journal(iotdb.database))
    verifier = Verifier(Stores(store, open_store), database_uuid(iotdb.database), known, days or Days())
    return Summary.of(verifier.run())


def keys(store) -> list[str]:
    return [key for key, _ in archived_tables(store)]


def replace(store, key, body, request) -> None:
    """What no store of ours ever does."""
    remove(store, key, request)
    store.put_new(key, body, {})


def remove(store, key, request) -> None:
    if store.url.startswith("file://"):
        Path(store.url.removeprefix("file://") + key).unlink()
    else:
        bucket, _, prefix = store.url.removeprefix("s3://").partition("/")
        request.getfixturevalue("s3_server").client.delete_object(Bucket=bucket, Key=prefix + key)


@pytest.mark.parametrize("bucket_only", [False, True])
def test_a_sound_archive_is_found_sound(iotdb, archive, bucket_only):
    summary = verify(iotdb, archive, bucket_only=bucket_only)
    assert summary.is_fine
    assert (summary.verdicts, summary.rows) == (Counter(sound=4), 28)


@pytest.mark.parametrize("bucket_only", [False, True])
def test_an_object_that_lost_its_end_is_damaged(iotdb, archive, request, bucket_only):
    key = keys(archive)[0]
    replace(archive, key, archive.read(key)[:-9], request)
    summary = verify(iotdb, archive, bucket_only=bucket_only)
    assert not summary.is_fine
    assert [finding.verdict for finding in summary.findings] == [Verdict.DAMAGED]


def test_an_object_that_is_gone_is_missing(iotdb, archive, request):
    remove(archive, keys(archive)[-1], request)
    summary = verify(iotdb, archive)
    assert summary.verdicts == Counter(sound=3, missing=1)


def test_from_the_bucket_alone_a_missing_generation_shows_by_its_successor(iotdb, archive, request):
    remove(archive, next(key for key in keys(archive) if key.endswith("g0.parquet")), request)
    assert verify(iotdb, archive, bucket_only=True).verdicts == Counter(sound=3, missing=1)


def test_a_flipped_bit_is_damage_even_where_it_changes_no_reading(iotdb, archive, request):
    key = keys(archive)[0]
    body = bytearray(archive.read(key))
    body[4 + len(body) // 3] ^= 1
    replace(archive, key, bytes(body), request)
    assert verify(iotdb, archive).verdicts == Counter(sound=3, damaged=1)


@pytest.mark.parametrize("bucket_only", [False, True])
def test_a_copy_under_another_name_is_doubled(iotdb, archive, bucket_only):
    key = keys(archive)[-1]
    archive.put_new(key.replace("-g0", "-g1"), archive.read(key), {})
    assert verify(iotdb, archive, bucket_only=bucket_only).verdicts == Counter(sound=4, doubled=1)


def test_what_nobody_archived_is_foreign(iotdb, archive):
    archive.put_new("facts/creation_date=2026-01-01/notes.txt", b"hello", {})
    assert verify(iotdb, archive).verdicts == Counter(sound=4, foreign=1)


def test_another_databases_object_is_foreign(iotdb, archive):
    other = Verifier(Stores(archive, open_store), "another", None)
    assert set(Summary.of(other.run()).verdicts) == {"foreign"}


def test_a_range_of_days_is_verified_alone(iotdb, archive):
    day = days_ago(2).date()
    assert verify(iotdb, archive, days=Days(day, day)).verdicts == Counter(sound=1)
    assert verify(iotdb, archive, days=Days(day)).verdicts == Counter(sound=2)


def test_a_cold_object_is_no_damage(iotdb, staging, s3_bucket, s3_server):
    store = open_store(f"s3://{s3_bucket}/p/", s3_server.access)
    iotdb.insert([reading(days_ago(1))])
    run(make_job(iotdb, store, staging))
    (key,) = keys(store)
    body = store.read(key)
    s3_server.client.put_object(Bucket=s3_bucket, Key=f"p/{key}", Body=body, StorageClass="GLACIER")
    summary = verify(iotdb, store)
    assert summary.is_fine
    assert summary.verdicts == Counter(cold=1)
