"""Archives that changed between the run that made them and the run that purges."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pytest

from servicemanager.archive.objects import open_store
from support.exports import archived_rows, archived_tables, days_ago, make_job, run
from support.iotdb import reading
from support.sites import Site, old_rows

#: Three windows of thirty rows, the newest first.
ROWS = old_rows()
OLDEST, MIDDLE, NEWEST = ROWS[60:], ROWS[30:60], ROWS[:30]


@dataclass
class Bucket:
    """The site's bucket as its owner sees it, who may do what ServiceManager never does."""

    client: Any
    name: str

    def where(self, key: str) -> dict[str, str]:
        return {"Bucket": self.name, "Key": f"passagem/{key}"}

    def read(self, key: str) -> bytes:
        return self.client.get_object(**self.where(key))["Body"].read()

    def put(self, key: str, body: bytes, **options: str) -> None:
        self.client.put_object(**self.where(key), Body=body, **options)

    def remove(self, key: str) -> None:
        self.client.delete_object(**self.where(key))


@pytest.fixture
def site(site) -> Site:
    """With rows, all of them archived and none of them purged."""
    site.iotdb.insert(ROWS)
    site.archive()
    return site


@pytest.fixture
def bucket(site, s3_server) -> Bucket:
    return Bucket(s3_server.client, site.environ["EXPORT_BUCKET"])


@pytest.fixture
def key(site) -> str:
    """Of the object in the middle."""
    return [key for key, _ in archived_tables(site.store)][1]


def seal_long_ago(site: Site) -> None:
    site.iotdb.execute("UPDATE sm_archive_object SET sealed_at = sealed_at - INTERVAL 3 DAY")


def check_only_the_middle_stays(site: Site, key: str, sentence: str) -> None:
    problems = run(make_job(site.iotdb, site.store, site.staging)).problems
    assert len(problems) == 1
    assert f"{site.store.url}{key}" in problems[0]
    assert sentence in problems[0]
    assert site.iotdb.rows() == Counter(MIDDLE)


def test_an_operator_is_told_of_an_object_that_is_gone_and_of_the_remedy(site, bucket, key):
    bucket.remove(key)
    ran = site.export()
    assert ran.status == 1
    assert ran.sentence == (
        f"problem: The object {site.store.url}{key} is gone. Nothing is deleted that it should hold; put it back from "
        "a version of the bucket, then run the export again."
    )
    assert site.iotdb.rows() == Counter(MIDDLE)


def test_an_object_that_is_gone_keeps_its_rows_in_the_database(site, bucket, key):
    body = bucket.read(key)
    bucket.remove(key)
    check_only_the_middle_stays(site, key, "is gone. Nothing is deleted that it should hold; put it back")
    bucket.put(key, body)
    site.finish(ROWS)


@pytest.mark.parametrize("length", ["the same", "another"])
def test_an_object_that_was_altered_keeps_its_rows_in_the_database(site, bucket, key, length: str):
    body = bucket.read(key)
    altered = body[:-1] if length == "another" else body[:100] + bytes([body[100] ^ 1]) + body[101:]
    bucket.put(key, altered)
    check_only_the_middle_stays(site, key, "Nothing is deleted that it should hold")
    bucket.put(key, body)
    site.finish(ROWS)


def test_another_sound_object_in_its_place_keeps_the_rows_in_the_database(site, bucket, key):
    """Its checksum and its label are right; only the journal knows better."""
    body = bucket.read(key)
    other = bucket.read(next(key for key, _ in archived_tables(site.store)))
    bucket.put(key, other, ChecksumAlgorithm="SHA256")
    check_only_the_middle_stays(site, key, "is not the one that was archived")
    bucket.put(key, body)
    site.finish(ROWS)


def test_a_cold_object_that_was_sealed_long_ago_is_to_be_restored_first(site, bucket, key):
    body = bucket.read(key)
    bucket.put(key, body, StorageClass="GLACIER", ChecksumAlgorithm="SHA256")
    seal_long_ago(site)
    check_only_the_middle_stays(site, key, "lies in an archival storage class: restore it there first")
    bucket.client.restore_object(**bucket.where(key), RestoreRequest={"Days": 1})
    site.finish(ROWS)


def test_objects_that_were_sealed_long_ago_are_read_again_before_their_rows_go(site, bad_proxy, key):
    seal_long_ago(site)
    site.complete(ROWS, AWS_ENDPOINT=bad_proxy.url)
    assert any(line.startswith("GET") and unquote(line).endswith(key) for line in bad_proxy.seen)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Pacific/Pago_Pago"])
def test_a_changed_zone_cuts_nothing_anew_and_doubles_nothing(site, zone: str):
    """In another zone the days begin elsewhere, so that a window may have to wait for its day."""
    spread = [reading(days_ago(day, hour), data=hour) for day in (5, 4, 3) for hour in (0, 5, 11, 14, 22, 23)]
    site.iotdb.insert(spread)
    rows = ROWS + spread
    before = windows(site)
    ran = site.export(TZ=zone)
    assert (ran.status, ran.sentences) == (0, [])
    assert before <= windows(site)
    assert archived_rows(site.store) <= Counter(rows) <= site.everything()
    site.finish(rows)


def windows(site: Site) -> set:
    return set(site.iotdb.execute("SELECT start_at, end_at FROM sm_archive"))


def test_a_changed_prefix_purges_by_the_objects_at_their_old_place(site, s3_access):
    late = [reading(MIDDLE[0][12], data=99)]
    site.iotdb.insert(late)
    ran = site.export(EXPORT_REMOTEDIRECTORY="moved")
    assert (ran.status, ran.sentences) == (0, [])
    assert site.iotdb.rows() == Counter()
    assert archived_rows(site.store) == Counter(ROWS)
    moved = open_store(f"s3://{site.environ['EXPORT_BUCKET']}/moved/", s3_access)
    assert archived_rows(moved) == Counter(late)


def test_a_changed_bucket_purges_by_the_objects_at_their_old_place(site, s3_server, s3_access):
    new = s3_server.make_bucket()
    assert site.export(EXPORT_BUCKET=new).status == 0
    assert site.iotdb.rows() == Counter()
    assert archived_rows(site.store) == Counter(ROWS)
    assert archived_rows(open_store(f"s3://{new}/passagem/", s3_access)) == Counter()


@pytest.fixture
def folder_site(site) -> Iterator[Site]:
    """A bucket that is a folder."""
    site.environ["EXPORT_BUCKET"] = f"file://{site.folder}/archive"
    return site


def test_a_folder_in_place_of_a_bucket_purges_by_the_objects_in_the_bucket(folder_site):
    ran = folder_site.export()
    assert (ran.status, ran.sentences) == (0, [])
    assert folder_site.iotdb.rows() == Counter()
    assert archived_rows(folder_site.store) == Counter(ROWS)


def test_an_old_bucket_that_was_deleted_keeps_the_rows_in_the_database(site, bucket, s3_server):
    new = s3_server.make_bucket()
    for stat in site.store.list(""):
        bucket.remove(stat.key)
    bucket.client.delete_bucket(Bucket=bucket.name)
    ran = site.export(EXPORT_BUCKET=new)
    assert ran.status == 4
    assert f"s3://{bucket.name}/passagem/" in ran.sentence
    assert "does not exist" in ran.sentence
    assert site.iotdb.rows() == Counter(ROWS)
