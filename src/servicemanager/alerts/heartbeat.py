"""A sign of life to an outside watchdog, which notices when ServiceManager itself is gone."""

from __future__ import annotations

from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from servicemanager.errors import NotDelivered

_SECONDS = 10


def beat(url: str) -> None:
    """GET the URL, which may hold a secret and so is never shown. Raises NotDelivered."""
    try:
        # Only http and https pass the settings.
        with urlopen(Request(url), timeout=_SECONDS) as answer:  # noqa: S310
            answer.read(1024)
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise NotDelivered(
            f"The heartbeat (notify.heartbeatUrl) could not be sent ({type(error).__name__}): check the URL and the "
            "network."
        ) from error
