"""Where a request comes from: the client's address, and whether it went over TLS, past proxies that we trust. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers

from servicemanager.config.values import split_address

#: Whoever passes a request on for others says so by one of these, or by one that begins as the last does.
_FORWARDING = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip"}
)
_FORWARDED = "x-forwarded-"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Origin:
    """`address` is the client's own, as far as anybody knows who is trusted."""

    address: str
    scheme: str
    #: Nothing but loopback, and passed on by nobody.
    is_local: bool


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


def find_origin(peer: str, scheme: str, headers: Headers, http_version: str, proxies: Sequence[Network]) -> Origin:
    """From the address of the other end of the connection and, where that is a proxy of ours, from what it says."""
    address = parse_address(peer)
    if address is None or not _is_one_of(address, proxies):
        return Origin(str(address or peer), scheme, _is_local(address, headers, http_version))
    told = [part.strip() for value in headers.getlist("x-forwarded-for") for part in value.split(",")]
    return Origin(_client(address, told, proxies), _scheme(headers, scheme), is_local=False)


def parse_address(text: str) -> Address | None:
    """An address without port and zone; an IPv4 address may be written as an IPv6 one. None where it is none."""
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def _client(peer: Address, told: Sequence[str], proxies: Sequence[Network]) -> str:
    """The last address that no proxy of ours has; what stands before it, anybody may have written."""
    client = peer
    for text in reversed(told):
        address = parse_address(text) or _without_port(text)
        if address is None:
            break
        client = address
        if not _is_one_of(address, proxies):
            break
    return str(client)


def _without_port(text: str) -> Address | None:
    """Some proxies tell the client's port besides."""
    try:
        return parse_address(split_address(text)[0])
    except ValueError:
        return None


def _scheme(headers: Headers, otherwise: str) -> str:
    told = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    return told if told in {"http", "https"} else otherwise


def _is_local(address: Address | None, headers: Headers, http_version: str) -> bool:
    """HTTP/1.0 is what some proxies speak that do not say that they pass a request on, as nginx does by default."""
    forwarded = any(name in _FORWARDING or name.startswith(_FORWARDED) for name in headers)
    return address is not None and address.is_loopback and http_version != "1.0" and not forwarded


def _is_one_of(address: Address, proxies: Sequence[Network]) -> bool:
    return any(address in network for network in proxies)
