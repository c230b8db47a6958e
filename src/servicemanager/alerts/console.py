"""Notices on the console, where no other channel is configured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from servicemanager.alerts.text import plain


@dataclass(frozen=True)
class Console:
    stream: TextIO
    name: str = "console"

    def send(self, subject: str, body: str) -> str:
        lines = "\n".join(plain(line) for line in body.splitlines())
        text = f"\n== {plain(subject)}\n{lines}\n"
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self.stream.flush()
        return "printed"
