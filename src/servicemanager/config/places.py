"""Where things are outside the database: the bucket, the prefix in it, the topic, the endpoint.

Names are checked for their shape only; whether the place exists is found out by whoever uses it.
The rules are Amazon's (S3 bucket naming rules, ARN format), so that a slip is told at the start
and not at two in the morning.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator

from servicemanager.config.values import Right, split_address

LONGEST_PREFIX = 512

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]+:[A-Za-z0-9_-]{1,256}(\.fifo)?")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]*")
_DATABASE = re.compile(r"[^\x00-\x1f/\\.`]{1,64}")


def check_bucket_name(name: str) -> str:
    """Raise ValueError unless Amazon's bucket naming rules allow the name."""
    if not _BUCKET.fullmatch(name) or ".." in name or name.startswith("xn--"):
        raise ValueError(
            "a bucket's name has 3 to 63 characters: lower-case letters, digits, dots and hyphens,"
            " a letter or digit first and last"
        )
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return name
    raise ValueError("a bucket's name can't be an IP address")


def check_prefix(text: str) -> str:
    """Without leading slashes, and with exactly one at the end unless it is empty."""
    path = text.strip("/")
    if not path:
        return ""
    if any(part in {"", ".", ".."} for part in path.split("/")):
        raise ValueError("it has an empty part or one of dots")
    if "\\" in path or not path.isprintable():
        raise ValueError("it has a backslash or a character that can't be printed")
    if len(path.encode()) > LONGEST_PREFIX:
        raise ValueError(f"it is longer than {LONGEST_PREFIX} bytes")
    return f"{path}/"


def split_url(text: str) -> SplitResult:
    """The parts of a URL that carries no login, query or fragment; raises ValueError."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise ValueError("it is no URL") from None
    if "@" in url.netloc:
        raise ValueError("it must not carry a user or a password")
    if "?" in text or "#" in text:
        raise ValueError("it has a query or a fragment")
    return url


def folder_of(bucket: str) -> Path | None:
    """The folder that a `file:///…` URL names; None for anything else."""
    url = split_url(bucket) if "://" in bucket else None
    return Path(unquote(url.path)) if url is not None and url.scheme == "file" else None


def _check_bucket(text: str) -> str:
    if "://" not in text:
        if text.startswith(("/", ".", "~", "file:")):
            raise ValueError("a folder is written as a URL with three slashes, such as file:///srv/archive")
        return check_bucket_name(text)
    url = split_url(text)
    if url.scheme == "file":
        _check_folder(url)
    elif url.scheme == "s3":
        check_bucket_name(url.netloc)
        check_prefix(url.path)
    else:
        raise ValueError("only s3:// and file:/// are known")
    return url.scheme + text[len(url.scheme) :]


def _check_folder(url: SplitResult) -> None:
    path = unquote(url.path)
    if url.netloc:
        raise ValueError("a folder on this machine has three slashes, such as file:///srv/archive")
    if not check_prefix(path):
        raise ValueError("it names no folder")


def _check_topic(arn: str) -> str:
    if not _TOPIC.fullmatch(arn):
        raise ValueError("it has not the shape of a topic's ARN")
    return arn


def _check_region(name: str) -> str:
    if not _REGION.fullmatch(name):
        raise ValueError("a region has lower-case letters, digits and hyphens")
    return name


def _check_endpoint(text: str) -> str:
    url = split_url(text)
    if url.scheme not in {"http", "https"} or not url.netloc:
        raise ValueError("it does not begin with http:// or https://")
    split_address(url.netloc)
    return text.rstrip("/")


def _check_database(name: str) -> str:
    if not _DATABASE.fullmatch(name) or name != name.strip():
        raise ValueError("it has more than 64 characters, or one that a schema's name can't have")
    return name


Bucket = Annotated[str, Right("a bucket's name, s3://bucket/prefix or file:///folder"), AfterValidator(_check_bucket)]
Prefix = Annotated[str, Right("a path such as archive/ without .. in it"), AfterValidator(check_prefix)]
Topic = Annotated[str, Right("a topic's ARN, arn:aws:sns:<region>:<account>:<name>"), AfterValidator(_check_topic)]
Region = Annotated[str, Right("a region, such as sa-east-1"), AfterValidator(_check_region)]
Endpoint = Annotated[str, Right("a URL, such as https://minio.example:9000"), AfterValidator(_check_endpoint)]
Database = Annotated[str, Right("the name of a schema, such as IOTDB"), AfterValidator(_check_database)]
