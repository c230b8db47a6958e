"""Under which names a browser may reach us. Pure.

A page of a stranger can let its own name point at our address (DNS rebinding), and then read what we answer, as far as
its browser can tell from its own site. Such a request bears the stranger's name in its header Host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from servicemanager.config.values import split_address

_ALWAYS = "localhost"


def own_names(host_name: str, configured: Collection[str]) -> frozenset[str]:
    """All names that may be used, in lower case; `host_name` is this machine's, with its domain or without."""
    name = host_name.lower().rstrip(".")
    return frozenset({_ALWAYS, name, name.partition(".")[0], *configured}) - {""}


def refused_host(hosts: list[str], names: Collection[str]) -> str | None:
    """Why a request with these Host headers is refused, in a sentence; None where it is not."""
    if len(hosts) != 1:
        return "A request has to name its host once, in the header Host."
    try:
        name = split_address(hosts[0])[0].lower().rstrip(".")
    except ValueError:
        return "The header Host holds no host name."
    if name in names or _is_address(name):
        return None
    return (
        f"This instance is not known under the name {name}. If it should be, add the name to web.hosts (WEB_HOSTS), as "
        f"in WEB_HOSTS={name}, and start anew."
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
