"""Whether a request comes from this very machine, by nobody's mouth but its own. Pure."""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers

#: Whoever passes a request on for others says so by one of these.
FORWARDING = (
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
)
FORWARDING_FAMILY = "x-forwarded-"


def is_forwarded(headers: Headers) -> bool:
    """Whether somebody in between says that he passes it on."""
    return any(name in FORWARDING or name.startswith(FORWARDING_FAMILY) for name in headers)


def is_loopback(address: str) -> bool:
    """Whether it is this machine's own; an IPv4 address may be written as an IPv6 one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def is_local(address: str, headers: Headers, http_version: str) -> bool:
    """Loopback, and passed on by nobody; HTTP/1.0 is what proxies speak that keep silent about it, as nginx does."""
    return is_loopback(address) and http_version != "1.0" and not is_forwarded(headers)
