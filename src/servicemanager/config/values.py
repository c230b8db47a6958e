"""The kinds of value a setting can hold: cron patterns, zones, addresses, spans of time.

Each kind is an annotated type that reads the text of a file or a variable and refuses what the
service could not work with. `Right` says in words what is accepted, for mistakes and for the
reference. A refusal never quotes the value: whoever reports it decides whether it may be shown.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

CRON_FIELDS = 5
HIGHEST_PORT = 65535
LONGEST_HOST = 253
LONGEST_LEASE = timedelta(hours=1)
SHORTEST_LEASE = timedelta(seconds=1)
SHORTEST_RETRY = timedelta(milliseconds=50)
LONGEST_SPAN = timedelta(days=365)
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_HOST_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]+)(:(?P<port>[0-9]{1,5}))?")
_SPAN = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,3})?) ?(?P<unit>[smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_LIMIT = re.compile(r"(?P<name>.{1,20})=(?P<minutes>[0-9]{1,6})")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]*")
#: Names that a machine may resolve, but each machine in its own way.
_NO_ZONES = ("localtime", "posixrules", "Factory", "posix/", "right/")


@dataclass(frozen=True, slots=True)
class Right:
    """What would be right, as the end of the sentence 'it should be …'."""

    words: str


class SslMode(StrEnum):
    """How the connection to the database is protected; the words are MySQL's own."""

    DISABLED = "disabled"
    REQUIRED = "required"
    VERIFY_CA = "verify_ca"
    VERIFY_IDENTITY = "verify_identity"


class NotifyMode(StrEnum):
    """What people are told; `always` is the Node version's whole list at every check."""

    NEWS = "news"
    ALWAYS = "always"


class LogFormat(StrEnum):
    """How log lines look; `auto` is text on a terminal and JSON elsewhere."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class Guard(StrEnum):
    """What becomes of statistics that would make the gateway throw away the very readings they were made from."""

    WITHHOLD = "withhold"
    REPORT = "report"


def parse_cron(pattern: str) -> CronSim:
    """Debian's cron with five fields; raises ValueError in words."""
    if pattern.lower() in NICKNAMES:
        raise ValueError(f'nicknames are not read here: write "{NICKNAMES[pattern.lower()]}"')
    if (count := len(pattern.split())) != CRON_FIELDS:
        six = ", and seconds can't be given" if count == CRON_FIELDS + 1 else ""
        raise ValueError(f"it has {count} field{'s' if count != 1 else ''}{six}")
    try:
        return CronSim(pattern, _EPOCH)
    except (CronSimError, ValueError) as error:
        reason = str(error).removeprefix("Bad ") if isinstance(error, CronSimError) else "a number"
        raise ValueError(f"{reason} is wrong in it") from None


def _check_cron(pattern: str) -> str:
    pattern = " ".join(pattern.split())
    parse_cron(pattern)
    return pattern


def _check_zone(name: str) -> str:
    name = name.removeprefix(":")
    try:
        if not _ZONE.fullmatch(name) or name.startswith(_NO_ZONES):
            raise ValueError  # noqa: TRY301 - all of a zone's refusals get the same words below
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = {zone.lower(): zone for zone in zoneinfo.available_timezones()}
        near = difflib.get_close_matches(name.lower()[:64], known, n=1)
        hint = f"; the nearest that is known is {known[near[0]]}" if near else ""
        raise ValueError(f"there is no such zone{hint}") from None
    return name


def split_address(text: str) -> tuple[str, int | None]:
    """`name`, `name:port`, `192.0.2.1`, `::1` or `[::1]:port` as host and port; raises ValueError."""
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    if (match := _HOST_PORT.fullmatch(text)) is None:
        raise ValueError("it is no host name")
    host, port = match["host"], match["port"]
    if port is not None and not 1 <= int(port) <= HIGHEST_PORT:
        raise ValueError(f"a port is a number from 1 to {HIGHEST_PORT}")
    return _check_host(host), int(port) if port else None


def _check_host(host: str) -> str:
    if not host.startswith("["):
        if len(host) > LONGEST_HOST or not _HOST.fullmatch(host):
            raise ValueError("it is no host name")
        return host
    try:
        return str(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        raise ValueError("it is neither a host nor an IPv6 address") from None


def _check_address(text: str) -> str:
    split_address(text)
    return text


def _check_listen(text: str) -> str:
    host, port = split_address(text)
    if port is not None:
        raise ValueError("the port stands in the setting `port`")
    return host


def split_commas(value: object) -> object:
    """The parts of a text with commas between; raises ValueError where there is none."""
    if not isinstance(value, str):
        return value
    parts = tuple(part for piece in value.split(",") if (part := piece.strip()))
    if not parts:
        raise ValueError("it is empty")
    return parts


def _check_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_check_address(host) for host in hosts)


def _read_span(value: object) -> object:
    if not isinstance(value, str):
        return value
    if (match := _SPAN.fullmatch(value)) is None:
        raise ValueError("it is no number with the unit s, m, h or d")
    return timedelta(seconds=float(match["number"]) * _SECONDS[match["unit"]])


def _check_lease(span: timedelta) -> timedelta:
    if not SHORTEST_LEASE <= span <= LONGEST_LEASE:
        raise ValueError("it is too short" if span < SHORTEST_LEASE else "it is too long")
    return span


def _check_retry(span: timedelta) -> timedelta:
    if not SHORTEST_RETRY <= span <= LONGEST_LEASE:
        raise ValueError("it is too short" if span < SHORTEST_RETRY else "it is too long")
    return span


def _check_span(span: timedelta) -> timedelta:
    if span > LONGEST_SPAN:
        raise ValueError("it is too long")
    return span


def _check_wait(span: timedelta) -> timedelta:
    if span < timedelta(minutes=1):
        raise ValueError("it is too short")
    return _check_span(span)


def split_limit(text: str) -> tuple[str, timedelta]:
    """`shop 1207=30` as the name and the minutes; raises ValueError."""
    if (match := _LIMIT.fullmatch(text)) is None or not int(match["minutes"]):
        raise ValueError("a limit is a name of up to 20 characters, an equals sign and minutes")
    return match["name"], timedelta(minutes=int(match["minutes"]))


def _check_limits(limits: tuple[str, ...]) -> tuple[str, ...]:
    names = [split_limit(limit)[0] for limit in limits]
    if len(set(names)) < len(names):
        raise ValueError("a name is given twice")
    return limits


def _check_urls(urls: SecretStr) -> SecretStr:
    if not all(_URL.fullmatch(url) for url in urls.get_secret_value().split()):
        raise ValueError("one of them is no URL")
    return urls


def _check_heartbeat(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if not text.startswith(("http://", "https://")) or not _URL.fullmatch(text):
        raise ValueError("it is no URL that begins with http:// or https://")
    return url


def _read_word(value: object) -> object:
    return value.lower().replace("-", "_") if isinstance(value, str) else value


Cron = Annotated[str, Right('a cron pattern of five fields, such as "0 2 * * *"'), AfterValidator(_check_cron)]
Zone = Annotated[str, Right("the name of a zone, such as America/Sao_Paulo"), AfterValidator(_check_zone)]
Port = Annotated[int, Field(ge=1, le=HIGHEST_PORT)]
Address = Annotated[str, Right("a host or host:port"), AfterValidator(_check_address)]
Listen = Annotated[str, Right("a host name or an IP address, without a port"), AfterValidator(_check_listen)]
Hosts = Annotated[
    tuple[str, ...],
    Right("one host or several with commas between, each as host or host:port"),
    BeforeValidator(split_commas),
    AfterValidator(_check_hosts),
]
Lease = Annotated[
    timedelta,
    Right("a span from 1 second to 1 hour, such as 15s or 2m"),
    BeforeValidator(_read_span),
    AfterValidator(_check_lease),
]
Retry = Annotated[
    timedelta,
    Right("a span from 0.05 seconds to 1 hour, such as 0.5s or 2s"),
    BeforeValidator(_read_span),
    AfterValidator(_check_retry),
]
Span = Annotated[
    timedelta,
    Right("a span up to 365 days, such as 90s, 10m or 24h"),
    BeforeValidator(_read_span),
    AfterValidator(_check_span),
]
Wait = Annotated[
    timedelta,
    Right("a span from 1 minute to 365 days, such as 10m or 24h"),
    BeforeValidator(_read_span),
    AfterValidator(_check_wait),
]
LimitsByName = Annotated[
    tuple[str, ...],
    Right("one limit or several with commas between, each as name=minutes"),
    BeforeValidator(split_commas),
    AfterValidator(_check_limits),
]
Urls = Annotated[SecretStr, Right("Apprise URLs with spaces between"), AfterValidator(_check_urls)]
HeartbeatUrl = Annotated[SecretStr, Right("an http or https URL"), AfterValidator(_check_heartbeat)]
News = Annotated[NotifyMode, BeforeValidator(_read_word)]
TlsMode = Annotated[SslMode, BeforeValidator(_read_word)]
Layout = Annotated[LogFormat, BeforeValidator(_read_word)]
GuardWord = Annotated[Guard, BeforeValidator(_read_word)]
