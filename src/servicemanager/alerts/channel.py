"""What a channel is. One that can't take a message raises NotDelivered, or ChannelRefused where it never will."""

from __future__ import annotations

from typing import Protocol


class Channel(Protocol):
    """A way to people."""

    @property
    def name(self) -> str:
        """Stable across restarts, and without a secret: messages wait under it."""

    def send(self, subject: str, body: str) -> str:
        """Return in a few words what came back."""
