"""The settings of the web face: who may see and do what, and how one gets there."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr

from servicemanager.config.section import About, Section
from servicemanager.config.values import Right, Wait, split_address, split_commas

LONGEST_USER = 254


def _check_user(name: str) -> str:
    if len(name) > LONGEST_USER:
        raise ValueError("it is too long")
    if ":" in name:
        raise ValueError("HTTP Basic can't carry a colon in it")
    return name


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if any(split_address(name)[1] for name in names):
        raise ValueError("names are given without a port")
    return tuple(name.lower().rstrip(".") for name in names)


def _check_networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(text)) for text in texts)
    except ValueError:
        raise ValueError("one of them is neither an IP address nor a network of them") from None


User = Annotated[str, Right("a name of up to 254 characters, without a colon"), AfterValidator(_check_user)]
Names = Annotated[
    tuple[str, ...],
    Right("one host name or several with commas between, without ports"),
    BeforeValidator(split_commas),
    AfterValidator(_check_names),
]
Networks = Annotated[
    tuple[str, ...],
    Right("one IP address or several with commas between, or networks such as 10.0.0.0/24"),
    BeforeValidator(split_commas),
    AfterValidator(_check_networks),
]


class Web(Section):
    """Who may see and do what in the dashboard and the API, and how they are reached."""

    user: Annotated[
        User | None,
        About("Who may sign in and do everything; with neither this nor `accounts`, only this machine gets in."),
    ] = None
    password: Annotated[SecretStr | None, About("That user's password.")] = None
    accounts: Annotated[
        bool, About("Whether the platform's accounts (table `User`) may sign in too, each as its role allows.")
    ] = False
    session: Annotated[Wait, About("How long one stays signed in.")] = timedelta(hours=12)
    hosts: Annotated[
        Names,
        About("Names under which browsers reach this instance, besides IP addresses, localhost and this host's name."),
    ] = ()
    certificate: Annotated[
        Path | None, About("File with the certificate and its chain (PEM); with it, pages are served over TLS only.")
    ] = None
    key: Annotated[Path | None, About("File with the certificate's private key (PEM), without a passphrase.")] = None
    proxies: Annotated[
        Networks, About("Reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.")
    ] = ()

    @property
    def lets_sign_in(self) -> bool:
        """Whether anybody can sign in at all; otherwise clients on this machine get in as they are."""
        return self.user is not None or self.accounts
