#!/usr/bin/env python3
"""Makes docs/images/dashboard.png: the overview of the demo's living fleet while a shop is without power.

Takes about eight minutes, for the demo's own time has to pass. Ends with status 1 where the picture grew too large.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "dashboard.png"
LARGEST = 250_000
SIZE = {"width": 1280, "height": 900}
PATIENCE = 15 * 60


@contextmanager
def demo(folder: str):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("servicemanager"), "demo", "--port", str(port), "--folder", "demo"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def titles(address: str) -> list[str]:
    """Of the open incidents; none while the service does not answer."""
    with suppress(OSError), urllib.request.urlopen(f"{address}/api/v1/overview", timeout=5) as answer:  # noqa: S310 -- our own
        return [each["title"] for each in json.load(answer)["incidents"]]
    return []


def photograph(address: str) -> None:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = chromium.new_page(viewport=SIZE, color_scheme="light", timezone_id="America/Sao_Paulo")
        page.goto(address)
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE, full_page=True)
        chromium.close()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, demo(folder) as address:
        until = time.monotonic() + PATIENCE
        while not any(title.startswith("shop-001") for title in titles(address)):
            if time.monotonic() > until:
                sys.stderr.write("The demo's shop never lost its power.\n")
                return 1
            time.sleep(2)
        photograph(address)
    size = PICTURE.stat().st_size
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}: {size:,} bytes\n")
    return int(size > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
