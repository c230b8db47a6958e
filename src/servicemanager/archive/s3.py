"""The archive in an S3 bucket, or in a store that speaks its API.

Every put carries ``If-None-Match: *`` and the SHA-256 of its bytes: stored once, and as it was meant. No error
of botocore leaves this module; `_translated` makes them ours, with no word of the server's or a secret, and keeps the
cause.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import stamina

from servicemanager import errors
from servicemanager.archive.objects import ObjectStat, check_key, check_metadata, check_prefix

# botocore makes its clients at run time and ships no types.
_Client: TypeAlias = Any
_Answer: TypeAlias = Mapping[str, Any]

_COLD: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})  # GLACIER_IR answers at once
_PUT: Final = "s3:PutObject (and kms:GenerateDataKey where the bucket has a key of its own)"
_GET: Final = "s3:GetObject and s3:ListBucket (and kms:Decrypt where the bucket has a key of its own)"
_LIST: Final = "s3:ListBucket"

#: What each answer means: by S3's code, by HTTP status where an answer has no body (HEAD), or by the name of
#: botocore's exception or one that it descends from.
_MEANINGS: Final[Mapping[type[errors.ServiceManagerError], Mapping[str, str]]] = {
    errors.BucketUnreachable: {
        "NoSuchBucket 404": "the bucket does not exist at {host}: create it, or correct export.bucket",
        "AccessDenied 403": "access is forbidden: allow {right} in the policies of credentials and bucket",
        "KMS": "the bucket's KMS key can't be used: enable it, and allow {right}",
        "InvalidAccessKeyId": "{host} does not know this access key: correct aws.accessKeyId",
        "SignatureDoesNotMatch": "access key and secret don't fit together: correct aws.secretAccessKey",
        "ExpiredToken InvalidToken 400": "{host} refuses these AWS credentials, which may have expired: renew them",
        "RequestTimeTooSkewed": "this machine's clock and that of {host} differ too much: set it (NTP)",
        "SlowDown ServiceUnavailable InternalError 500 502 503 504": "{host} is overloaded: try again later",
        "ConditionalRequestConflict": "other uploads of the same name keep getting in the way: try again later",
        "PermanentRedirect AuthorizationHeaderMalformed InvalidRegionError 301": (
            "the region is not that of the bucket: correct aws.region (AWS_REGION)"
        ),
        "BadDigest XAmzContentSHA256Mismatch": "the bytes changed on their way to {host}: check the network",
        "NoCredentialsError PartialCredentialsError CredentialRetrievalError ProfileNotFound SSOError LoginError": (
            "no usable AWS credentials: set aws.accessKeyId and aws.secretAccessKey, or give this machine a role"
        ),
        "SSLError": "the certificate of {host} is not trusted: correct it, or name its CA in AWS_CA_BUNDLE",
        "ConnectTimeoutError ReadTimeoutError": "{host} does not answer in time: check network and endpoint",
        "ConnectionError HTTPClientError IncompleteReadError": "no connection to {host} lasts: check the network",
    },
    errors.ObjectExists: {"PreconditionFailed 412": "an object is already there"},
    errors.ObjectMissing: {"NoSuchKey": "the object is gone: restore it from an older version or a backup"},
    errors.ObjectCold: {"InvalidObjectState": "the object lies in an archival storage class: restore it there first"},
    errors.ArchiveRefused: {"NotImplemented": "{host} can't put only what is absent: use a store that can"},
    errors.ArchiveDamaged: {"FlexibleChecksumError": "the object is not what its checksum says: bring a backup"},
}
_ENDPOINT: Final = re.compile(r"(?:(https?)://)?(?:[\w.-]+|\[[\da-f:]+\])(?::\d{1,5})?/?", re.ASCII | re.IGNORECASE)
_CODE: Final = re.compile(r"[\w.]{1,64}", re.ASCII)
_SHA256: Final = re.compile(r"[A-Za-z0-9+/]{43}=")  # and not that of a multipart upload, which is of its parts


@dataclass(frozen=True)
class S3Access:
    """How to reach S3; without keys the usual AWS credential chain applies."""

    #: Only where to begin: the bucket's own region is followed.
    region: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    use_tls: bool = True
    #: Of another store than AWS: ``host:port``, or a URL, whose scheme then beats ``use_tls``.
    endpoint: str | None = None
    max_attempts: int = 5
    connect_timeout: float = 10  # seconds
    read_timeout: float = 60  # seconds without a byte
    page_size: int = 1000

    def check(self) -> None:
        """Raises ConfigurationError."""
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise errors.ConfigurationError("Set both aws.accessKeyId and aws.secretAccessKey, or neither.")
        self._endpoint_url()

    def client(self) -> _Client:
        # Not boto3, which is this and a way to transfer big files in parts: it would take a quarter longer to load.
        import botocore.session
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "total_max_attempts": self.max_attempts},
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
            s3={"addressing_style": "path" if self.endpoint else "auto"},
            # We send and ask for checksums ourselves; other stores stumble over botocore's trailing ones.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        session = botocore.session.get_session()
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
        return session.create_client(
            "s3",
            region_name=self.region,
            use_ssl=self.use_tls,
            endpoint_url=self._endpoint_url(),
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=config,
        )

    def _endpoint_url(self) -> str | None:
        if self.endpoint is None:
            return None
        if not (endpoint := _ENDPOINT.fullmatch(self.endpoint)):
            raise errors.ConfigurationError("The S3 endpoint must be host:port or http(s)://host:port, without keys.")
        return self.endpoint if endpoint[1] else f"http{'s' * self.use_tls}://{self.endpoint}"


@cache
def _loader(search_path: str | None) -> Any:
    """It remembers what it read of S3; that of a session would read it anew for each client."""
    from botocore.loaders import create_loader

    return create_loader(search_path)


class S3Store:
    """Implements `ObjectStore`."""

    def __init__(self, bucket: str, prefix: str, access: S3Access) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._access = access

    @classmethod
    def open(cls, url: str, access: S3Access) -> S3Store:
        """Raises ConfigurationError; what else is wrong shows when the store is first used."""
        access.check()
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        return cls(bucket, prefix, access)

    @cached_property
    def _client(self) -> _Client:
        # When it is first needed, for it takes a fifth of a second, in which a server may already count.
        with _translated(self.url, host="AWS", right="s3:*"):
            return self._access.client()

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def url_of(self, key: str) -> str:
        return self.url + check_key(key)

    def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        with self._translated(self.url_of(key), _PUT):
            for attempt in self._attempts(_is_conflict):
                with attempt:
                    self._client.put_object(
                        **self._object(key),
                        Body=body,
                        IfNoneMatch="*",
                        ChecksumAlgorithm="SHA256",
                        ChecksumSHA256=digest,
                        Metadata=dict(check_metadata(metadata)),
                    )

    def read(self, key: str) -> bytes:
        with self._translated(self.url_of(key), _GET):
            for attempt in self._attempts(_is_cut_short):
                with attempt:
                    answer = self._client.get_object(**self._object(key), ChecksumMode="ENABLED")
                    body: bytes = answer["Body"].read()
        return body

    def stat(self, key: str) -> ObjectStat | None:
        from botocore.exceptions import ClientError

        with self._translated(self.url_of(key), _GET):
            try:
                answer = self._client.head_object(**self._object(key), ChecksumMode="ENABLED")
            except ClientError as error:
                if _names(error)[0] not in {"404", "NoSuchKey"}:
                    raise
                # HEAD says 404 for a bucket that is not there, too: that is no word about the object.
                self._client.head_bucket(Bucket=self._bucket)
                return None
        return ObjectStat(key, answer["ContentLength"], _sha256(answer), _is_cold(answer), answer["Metadata"])

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """Leaves out the empty objects named ``…/`` that consoles make to show a folder."""
        paginator = self._client.get_paginator("list_objects_v2")
        pages = paginator.paginate(
            Bucket=self._bucket,
            Prefix=self._prefix + check_prefix(prefix),
            PaginationConfig={"PageSize": self._access.page_size},
        )
        with self._translated(self.url, _LIST):
            for item in (item for page in pages for item in page.get("Contents", ())):
                if not item["Key"].endswith("/"):
                    key = item["Key"].removeprefix(self._prefix)
                    yield ObjectStat(key, item["Size"], None, item.get("StorageClass") in _COLD, None)

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _attempts(self, on: Callable[[Exception], bool]) -> Iterable[stamina.Attempt]:
        # For what botocore does not try again by itself.
        return stamina.retry_context(on, attempts=self._access.max_attempts, wait_max=2, wait_jitter=0.1)

    def _translated(self, url: str, right: str) -> AbstractContextManager[None]:
        return _translated(url, host=urlsplit(self._client.meta.endpoint_url).netloc, right=right)


@contextmanager
def _translated(url: str, *, host: str, right: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        kind, sentence = _meaning(_names(error))
        raise kind(f"{url}: {sentence.format(host=host, right=right)}.") from error


def _meaning(names: list[str]) -> tuple[type[errors.ServiceManagerError], str]:
    for name in names:
        for kind, sentences in _MEANINGS.items():
            for known, sentence in sentences.items():
                if name in known.split():
                    return kind, sentence
    code = names[0] if _CODE.fullmatch(names[0]) else "something unreadable"
    return errors.BucketUnreachable, f"{{host}} can't be used ({code}): see what its documentation says about that"


def _names(error: Exception) -> list[str]:
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):  # a transport's error may have one too, of its own kind
        return [cls.__name__ for cls in type(error).__mro__]
    code: str = answer["Error"].get("Code", "")
    return [code, code.partition(".")[0]]  # KMS.DisabledException and its siblings


def _is_conflict(error: Exception) -> bool:
    return _names(error)[0] == "ConditionalRequestConflict"


def _is_cut_short(error: Exception) -> bool:
    """Bytes were lost or changed after the answer had begun."""
    return _names(error)[0] in {"ResponseStreamingError", "IncompleteReadError", "FlexibleChecksumError"}


def _sha256(answer: _Answer) -> str | None:
    checksum = answer.get("ChecksumSHA256", "")
    return base64.b64decode(checksum).hex() if _SHA256.fullmatch(checksum) else None


def _is_cold(answer: _Answer) -> bool:
    if 'ongoing-request="false"' in answer.get("Restore", ""):
        return False
    return answer.get("StorageClass") in _COLD or "ArchiveStatus" in answer
