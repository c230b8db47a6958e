"""Real headless Chromium for tests: Debian's, driven by Playwright, one for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1440, "height": 900}
#: Adds up how far things jumped, other than by what a person did.
_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
#: WCAG 2.2 AA, and what else axe knows to be good.
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Watched:
    """A page, what its console complained of, and where its requests went."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def see(self, request: Request) -> None:
        if request.url.startswith("http"):
            self.hosts.add(urlsplit(request.url).hostname or "")

    def violations(self, rule: str | None = None) -> list[str]:
        """What axe finds, by all rules or by one; each in a line with the first place where it is so."""
        only = {"type": "rule", "values": [rule]} if rule else {"type": "tag", "values": _RULES}
        options = {"runOnly": only, "resultTypes": ["violations"]}
        found: list[dict[str, Any]] = Axe().run(self.page, options=options).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]

    def is_wider_than_its_window(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth > innerWidth")

    def update(self) -> None:
        """What the page does by itself every few seconds, at once."""
        self.page.evaluate("look()")

    @property
    def shifted(self) -> float:
        return self.page.evaluate("shifted")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the whole session: as long as Playwright runs, this thread can run no other event loop.
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_ARGUMENTS)
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def watching(browser: Browser, **how: Any) -> Iterator[Watched]:
    """A page in a context of its own: no cookie and nothing remembered."""
    with _context(browser, {"viewport": DESKTOP, "timezone_id": "America/Sao_Paulo"} | how) as context:
        watched = Watched(context.new_page())
        watched.page.set_default_timeout(10_000)
        watched.page.add_init_script(_SHIFTS)
        watched.page.on("console", watched.hear)
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("request", watched.see)
        yield watched


@contextmanager
def _context(browser: Browser, how: dict[str, Any]) -> Iterator[BrowserContext]:
    context = browser.new_context(**how)
    try:
        yield context
    finally:
        context.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    with watching(browser) as page:
        yield page
