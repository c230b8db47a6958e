"""What the archive does when S3 has a bad day: it goes on where that is right, and else says what to do."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.archive.s3 import S3Access
from servicemanager.errors import (
    ArchiveDamaged,
    ArchiveRefused,
    BucketUnreachable,
    ConfigurationError,
    ObjectCold,
    ObjectExists,
    ServiceManagerError,
)
from support import badproxy
from support.badproxy import BadProxy
from support.s3server import ACCESS_KEY, SECRET, S3Server

pytestmark = pytest.mark.usefixtures("no_ambient_aws")

ASKING: dict[str, Callable[[ObjectStore], object]] = {
    "put": lambda store: store.put_new("a", b"x" * 100_000, {}),
    "read": lambda store: store.read("a"),
    "stat": lambda store: store.stat("a"),
    "list": lambda store: list(store.list("")),
}
METHODS = {"put": "PUT", "read": "GET", "stat": "HEAD", "list": "GET"}


@pytest.fixture
def url(s3_bucket: str) -> str:
    return f"s3://{s3_bucket}/passagem/"


@pytest.fixture
def store(url: str, proxied_access: S3Access) -> ObjectStore:
    """It reaches its bucket through the bad proxy, and tries everything twice."""
    return open_store(url, proxied_access)


def puts(proxy: BadProxy) -> int:
    return sum(line.startswith("PUT") for line in proxy.seen)


@pytest.mark.parametrize("fault", [badproxy.answer_with(503, "SlowDown"), badproxy.reset_mid_upload])
def test_an_upload_that_fails_once_is_tried_again(
    store: ObjectStore, bad_proxy: BadProxy, fault: badproxy.Fault
) -> None:
    bad_proxy.plan("PUT", fault)
    store.put_new("a", b"x" * 1_000_000, {})
    assert puts(bad_proxy) == 2
    assert store.read("a") == b"x" * 1_000_000


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (badproxy.answer_with(503, "SlowDown"), "is overloaded: try again later"),
        (badproxy.reset_mid_upload, "no connection to 127.0.0.1:.* lasts"),
        (badproxy.answer_with(409, "ConditionalRequestConflict"), "other uploads of the same name"),
    ],
)
def test_an_upload_that_keeps_failing_ends_with_a_sentence_and_no_object(
    store: ObjectStore, bad_proxy: BadProxy, fault: badproxy.Fault, sentence: str
) -> None:
    bad_proxy.plan("PUT", fault, fault)
    with pytest.raises(BucketUnreachable, match=sentence):
        store.put_new("a", b"x" * 1_000_000, {})
    assert puts(bad_proxy) == 2
    assert store.stat("a") is None


def test_a_put_whose_answer_is_lost_finds_its_own_object(store: ObjectStore, bad_proxy: BadProxy) -> None:
    bad_proxy.plan("PUT", badproxy.lose_answer)
    with pytest.raises(ObjectExists):
        store.put_new("a", b"mine", {})
    assert store.read("a") == b"mine"


def test_a_put_that_meets_another_one_tries_again_and_learns_who_won(
    store: ObjectStore, bad_proxy: BadProxy, url: str, s3_access: S3Access
) -> None:
    other = open_store(url, s3_access)
    bad_proxy.plan(
        "PUT",
        badproxy.answer_with(409, "ConditionalRequestConflict"),
        badproxy.meanwhile(lambda: other.put_new("a", b"theirs", {})),
    )
    with pytest.raises(ObjectExists):
        store.put_new("a", b"mine", {})
    assert store.read("a") == b"theirs"


def test_a_store_that_ignores_conditions_shows_itself_by_a_second_put(store: ObjectStore, bad_proxy: BadProxy) -> None:
    bad_proxy.ignores_conditions = True
    store.put_new("probe", b"1", {})
    store.put_new("probe", b"2", {})
    assert store.read("probe") == b"2"


@pytest.mark.parametrize("fault", [badproxy.cut_answer, badproxy.corrupt_answer])
def test_a_download_that_is_cut_or_changed_once_is_read_again(
    store: ObjectStore, bad_proxy: BadProxy, fault: badproxy.Fault
) -> None:
    store.put_new("a", b"readings", {})
    bad_proxy.plan("GET", fault)
    assert store.read("a") == b"readings"


@pytest.mark.parametrize(
    ("fault", "kind"), [(badproxy.cut_answer, BucketUnreachable), (badproxy.corrupt_answer, ArchiveDamaged)]
)
def test_a_download_that_keeps_being_cut_is_unreachable_and_one_that_keeps_being_changed_is_damaged(
    store: ObjectStore, bad_proxy: BadProxy, fault: badproxy.Fault, kind: type[ServiceManagerError]
) -> None:
    store.put_new("a", b"readings", {})
    bad_proxy.plan("GET", fault, fault)
    with pytest.raises(kind, match=r"/passagem/a: "):
        store.read("a")


@pytest.mark.parametrize("asked", ASKING)
def test_a_server_that_falls_silent_is_given_up(
    url: str, proxied_access: S3Access, bad_proxy: BadProxy, asked: str
) -> None:
    store = open_store(url, replace(proxied_access, max_attempts=1, read_timeout=0.2))
    bad_proxy.plan(METHODS[asked], badproxy.delay(5))
    with pytest.raises(BucketUnreachable, match="does not answer in time"):
        ASKING[asked](store)


@pytest.mark.parametrize("asked", ASKING)
def test_a_bucket_that_is_not_there_is_never_taken_for_a_missing_object(s3_access: S3Access, asked: str) -> None:
    store = open_store("s3://nobody-made-this-bucket/p/", s3_access)
    with pytest.raises(BucketUnreachable, match=r"s3://nobody-made-this-bucket/p/.* does not exist .* create it"):
        ASKING[asked](store)


@pytest.mark.parametrize(
    ("asked", "right"),
    [("put", "s3:PutObject"), ("read", "s3:GetObject"), ("stat", "s3:GetObject"), ("list", "s3:ListBucket")],
)
def test_a_forbidden_bucket_names_the_right_that_is_missing(
    store: ObjectStore, bad_proxy: BadProxy, asked: str, right: str
) -> None:
    bad_proxy.plan(METHODS[asked], badproxy.answer_with(403, "AccessDenied"))
    with pytest.raises(BucketUnreachable, match=f"forbidden: allow {right}"):
        ASKING[asked](store)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("InvalidAccessKeyId", r"correct aws\.accessKeyId"),
        ("SignatureDoesNotMatch", r"correct aws\.secretAccessKey"),
        ("ExpiredToken", "renew them"),
        ("RequestTimeTooSkewed", "clock .*NTP"),
        ("KMS.DisabledException", "KMS key .* kms:GenerateDataKey"),
        ("BadDigest", "the bytes changed on their way"),
        ("405", r"can't be used \(405\)"),
        ("TeaPot", r"can't be used \(TeaPot\)"),
        ("<script>{x}", r"\(something unreadable\)"),
    ],
)
def test_each_refusal_of_s3_has_a_sentence_of_its_own(
    store: ObjectStore, bad_proxy: BadProxy, code: str, sentence: str
) -> None:
    bad_proxy.plan("PUT", *[badproxy.answer_with(403, code)] * 2)
    with pytest.raises(BucketUnreachable, match=sentence) as caught:
        store.put_new("a", b"", {})
    assert caught.value.__cause__ is not None


def test_a_store_without_conditional_puts_is_refused(store: ObjectStore, bad_proxy: BadProxy) -> None:
    bad_proxy.plan("PUT", *[badproxy.answer_with(501, "NotImplemented")] * 2)
    with pytest.raises(ArchiveRefused, match="use a store that can"):
        store.put_new("a", b"", {})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda access: {"endpoint": "127.0.0.1:1"}, "no connection to 127.0.0.1:.* lasts"),
        (lambda access: {"endpoint": access.endpoint.replace("http://", "")}, "certificate"),
        (lambda access: {"access_key_id": None, "secret_access_key": None}, "no usable AWS credentials"),
    ],
)
def test_a_wrong_setting_ends_in_a_sentence(
    url: str, s3_access: S3Access, change: Callable[[S3Access], dict[str, Any]], sentence: str
) -> None:
    with pytest.raises(BucketUnreachable, match=sentence):
        open_store(url, replace(s3_access, max_attempts=1, **change(s3_access))).read("a")


def test_tls_is_given_up_only_where_the_setting_says_so(url: str, s3_access: S3Access) -> None:
    assert s3_access.endpoint is not None
    bare = replace(s3_access, endpoint=s3_access.endpoint.removeprefix("http://"), use_tls=False)
    open_store(url, bare).put_new("a", b"", {})
    assert S3Access().client().meta.endpoint_url.startswith("https://")
    assert S3Access(use_tls=False).client().meta.endpoint_url.startswith("http://")


@pytest.mark.parametrize("endpoint", ["http://user:word@host", "user:word@host", "ftp://host", "host/path", ""])
def test_an_endpoint_that_is_none_is_refused_and_not_repeated(endpoint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store("s3://bucket/", S3Access(endpoint=endpoint))
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("half", [S3Access(access_key_id=SECRET), S3Access(secret_access_key=SECRET)])
def test_half_a_pair_of_keys_is_refused_instead_of_signing_with_nothing(half: S3Access) -> None:
    with pytest.raises(ConfigurationError, match="both"):
        open_store("s3://bucket/", half)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [("AWS_PROFILE", "nobody", "no usable AWS credentials"), ("AWS_DEFAULT_REGION", "no where", "correct aws.region")],
)
def test_a_wrong_environment_ends_in_a_sentence_too(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(BucketUnreachable, match=sentence):
        open_store("s3://bucket/").read("a")


def test_no_error_and_no_repr_shows_a_secret(store: ObjectStore, bad_proxy: BadProxy, s3_access: S3Access) -> None:
    shown = [repr(s3_access), str(s3_access), repr(store), str(store)]
    for code in ("AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId"):
        bad_proxy.plan("PUT", badproxy.answer_with(403, code))
        with pytest.raises(BucketUnreachable) as caught:
            store.put_new("a", b"", {})
        shown += [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
    assert not [text for text in shown if SECRET in text or ACCESS_KEY in text]


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_object_in_an_archival_class_is_cold_and_not_damaged(
    store: ObjectStore, s3_server: S3Server, s3_bucket: str, storage_class: str
) -> None:
    where = {"Bucket": s3_bucket, "Key": "passagem/a"}
    s3_server.client.put_object(**where, Body=b"readings", StorageClass=storage_class)
    stat = store.stat("a")
    assert stat is not None
    assert stat.cold
    assert [found.cold for found in store.list("")] == [True]
    with pytest.raises(ObjectCold, match=r"/passagem/a: .* restore it"):
        store.read("a")


def test_a_cold_object_that_was_restored_is_readable(store: ObjectStore, s3_server: S3Server, s3_bucket: str) -> None:
    where = {"Bucket": s3_bucket, "Key": "passagem/a"}
    s3_server.client.put_object(**where, Body=b"readings", StorageClass="GLACIER")
    s3_server.client.restore_object(**where, RestoreRequest={"Days": 1})
    stat = store.stat("a")
    assert stat is not None
    assert not stat.cold
    assert store.read("a") == b"readings"


def test_checksum_and_metadata_are_kept_beside_the_object(store: ObjectStore) -> None:
    store.put_new("a", b"readings", {"rows": "3", "window": "20261120T030000Z/20261121T030000Z"})
    stat = store.stat("a")
    assert stat is not None
    assert stat.sha256 == hashlib.sha256(b"readings").hexdigest()
    assert stat.metadata == {"rows": "3", "window": "20261120T030000Z/20261121T030000Z"}


def test_what_somebody_else_put_has_no_checksum_and_folder_marks_are_no_objects(
    store: ObjectStore, s3_server: S3Server, s3_bucket: str
) -> None:
    for key in ("passagem/a", "passagem/", "passagem/facts/"):
        s3_server.client.put_object(Bucket=s3_bucket, Key=key, Body=b"readings")
    stat = store.stat("a")
    assert stat is not None
    assert stat.sha256 is None
    assert [found.key for found in store.list("")] == ["a"]


def test_a_listing_asks_for_one_page_at_a_time(url: str, proxied_access: S3Access, bad_proxy: BadProxy) -> None:
    store = open_store(url, replace(proxied_access, page_size=2))
    for number in range(5):
        store.put_new(f"{number}", b"", {})
    bad_proxy.seen.clear()
    found = store.list("")
    assert next(found).key == "0"
    assert len(bad_proxy.seen) == 1
    assert [stat.key for stat in found] == ["1", "2", "3", "4"]
    assert len(bad_proxy.seen) == 3
