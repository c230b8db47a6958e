"""Any other way to people, by Apprise URL: mail, Slack, Telegram, webhooks and a hundred more.

An Apprise URL is a secret. A channel is named by the service and a digest, and what Apprise logs is only searched for
the status of an answer, never shown.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import StringIO

from servicemanager.errors import ChannelRefused, ConfigurationError, NotDelivered

_STATUS = re.compile(r"error[=: ]+(\d{3})")
_PASSING = {408, 425, 429}


@dataclass(frozen=True)
class AppriseChannel:
    url: str = field(repr=False)
    name: str = ""

    def send(self, subject: str, body: str) -> str:
        import apprise

        service = apprise.Apprise()
        service.add(self.url)
        with _logged() as log:
            taken = service.notify(title=subject, body=body, body_format=apprise.NotifyFormat.TEXT)
        if not taken:
            raise _failure(self.name, log.getvalue())
        return f"{self.name} took it"


def open_channels(urls: Sequence[str]) -> list[AppriseChannel]:
    """Raises ConfigurationError with a sentence for each URL that no service understands, by its place in the list."""
    import apprise

    channels, mistakes = [], []
    for number, url in enumerate(urls, 1):
        with _logged():
            made = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if made is None:
            mistakes.append(
                f"notify.urls: URL {number} is none that Apprise understands: write it as Apprise's documentation of "
                "that service says."
            )
            continue
        digest = sha256(url.encode("utf-8", "backslashreplace")).hexdigest()[:8]
        channels.append(AppriseChannel(url, f"{url.partition(':')[0][:40]}:{digest}"))
    if mistakes:
        raise ConfigurationError(*mistakes)
    return channels


def _failure(name: str, log: str) -> NotDelivered:
    found = _STATUS.search(log)
    status = int(found[1]) if found else 0
    if 400 <= status < 500 and status not in _PASSING:  # noqa: PLR2004 -- HTTP's own numbers
        return ChannelRefused(f"{name} refuses the message (HTTP status {status}): correct its URL in notify.urls.")
    because = f" (HTTP status {status})" if status else ""
    return NotDelivered(f"{name} did not take the message{because}: it is tried again.")


@contextmanager
def _logged() -> Iterator[StringIO]:
    """What Apprise logs meanwhile, kept from every other log."""
    import apprise

    with apprise.LogCapture(level=logging.INFO, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]
        yield log
