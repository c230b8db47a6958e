"""The web face of a million devices while an export runs: pages, metrics, the role page, bytes, memory.

The viewers behave as the script of the pages does at its fastest: each asks for a page every second, on a connection
that stays open, and takes it compressed. `python -m benchmarks.web` measures this part alone; WEB_DEVICES and
WEB_ROWS make it smaller while one develops.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from benchmarks.generate import write_tsv
from benchmarks.harness import SERVER_OPTIONS, high_water_mib, measured_on, save
from benchmarks.idle import PLATFORM, role

from support.cli import COMMAND, bare_environ
from support.mariadb import Server, free_port, private_server

HEADING = "# The web face"
DATABASE = "IOTDB_WEB"
DEVICES = int(os.environ.get("WEB_DEVICES") or 1_000_000)
ROWS = int(os.environ.get("WEB_ROWS") or 5_000_000)
VIEWERS, _PAUSE, _LEAST_SECONDS = 20, 1.0, 30.0
_FILL = (
    (
        "INSERT INTO Registration (device, device_group, registrationDate, version, type) SELECT CONCAT('AA:BB:', "
        "LPAD(seq, 9, '0')), CONCAT('shop ', seq DIV 6), NOW() - INTERVAL 90 DAY, '1.2.3', 'board' "
        f"FROM seq_1_to_{DEVICES}"
    ),
    (
        "INSERT INTO Announcement SELECT device, IF(RIGHT(device, 9) MOD 200 = 0, NOW() - INTERVAL 2 HOUR, NOW() - "
        "INTERVAL RIGHT(device, 9) MOD 240 SECOND) FROM Registration"
    ),
    (
        "INSERT IGNORE INTO Registration (device, device_group, registrationDate, version, type) SELECT device, "
        "MIN(device_group), NOW() - INTERVAL 90 DAY, '1.2.3', 'board' FROM Facts GROUP BY device"
    ),
    "ANALYZE TABLE Registration, Announcement, Facts",
)
#: What people look at: the first pages, and pages far within the list.
_LISTS = (
    "/devices",
    f"/devices?search=AA:BB:{DEVICES // 2:09d}"[:-4],
    "/devices?status=silent",
    "/devices?sort=seen",
    f"/devices?group=shop+{DEVICES // 12}",
    "/devices?status=silent&sort=group",
    f"/devices/AA:BB:{DEVICES // 2:09d}",
)
PAGE_MS, ROLE_PER_SECOND, METRICS_MS, FIRST_PAGE_KIB = 200, 2_000, 50, 150


@dataclass(frozen=True)
class Line:
    """`goal` is a sentence's end, such as 'below 200'."""

    what: str
    found: str
    goal: str = ""


def measure(server: Server, folder: Path) -> str:
    """The part of RESULTS.md."""
    _fill(server, folder)
    with _daemon(server, folder) as (port, process):
        lines = [
            *_role_page(port),
            *_sizes(port),
            *_asked("/metrics, nothing else at work", port, "/metrics", METRICS_MS),
        ]
        lines += _viewed("pages with nothing else at work", port, lambda: False)
        lines += _viewed("pages while an export runs", port, _export(port))
        lines.append(Line("memory of the daemon at its highest, MiB", f"{high_water_mib(process.pid):.0f}"))
    server.execute(f"DROP DATABASE {DATABASE}")
    text = measured_on(server)
    text += f"\n{DEVICES:,} devices and {ROWS:,} readings in the database; {VIEWERS} viewers, a page a second each.\n\n"
    text += "| what | found | goal |\n|---|---:|---:|\n"
    text += "".join(f"| {line.what} | {line.found} | {line.goal} |\n" for line in lines)
    return text


def _fill(server: Server, folder: Path) -> None:
    server.execute(f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
    server.execute(*filter(None, map(str.strip, PLATFORM.read_text().split(";"))), database=DATABASE)
    tsv = folder / "web.tsv"
    write_tsv(ROWS, tsv)
    load = f"LOAD DATA LOCAL INFILE '{tsv}' INTO TABLE Facts"
    client = [
        "mariadb",
        "--no-defaults",
        f"-h{server.host}",
        f"-P{server.port}",
        "-uroot",
        "--local-infile=1",
        DATABASE,
    ]
    subprocess.run([*client, "-e", f"SET time_zone='+00:00'; {load}"], check=True)
    tsv.unlink()
    server.execute(*_FILL, database=DATABASE)


@contextmanager
def _daemon(server: Server, folder: Path) -> Iterator[tuple[int, subprocess.Popen]]:
    """One that leads. It archives into a folder when it is asked to."""
    home, port = folder / "web", free_port()
    home.mkdir()
    environ = bare_environ(home) | {
        "MYSQL_HOST": server.host,
        "MYSQL_PORT": str(server.port),
        "MYSQL_USER": server.user,
        "MYSQL_DATABASE": DATABASE,
        "PORT": str(port),
        "ADDRESS": "127.0.0.1",
        "EXPORT_BUCKET": f"file://{home}/archive",
        "EXPORT_LOCALDIRECTORY": str(home),
        # Only when it is asked for.
        "SCHEDULER_EXPORT": "0 0 29 2 *",
    }
    with (home / "log").open("w") as log:
        process = subprocess.Popen([COMMAND, "run"], cwd=home, env=environ, stderr=log, stdin=subprocess.DEVNULL)
    try:
        while role(port) != "MASTER":
            time.sleep(0.1)
        for job in ("devices", "history", "statistics", "selfcare"):
            subprocess.run([COMMAND, "run-job", job], cwd=home, env=environ, check=True, capture_output=True)
        yield port, process
    finally:
        process.terminate()
        process.wait()


class Viewer:
    """A browser: one connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str) -> tuple[float, bytes]:
        """Seconds, and the body as it was sent. Raises RuntimeError where it is not a page."""
        begin = time.perf_counter()
        self._connection.request("GET", path, headers={"Accept": "text/html", "Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        return time.perf_counter() - begin, body


def _asked(what: str, port: int, path: str, goal: float, times: int = 60) -> list[Line]:
    viewer = Viewer(port)
    seconds = [viewer.get(path)[0] for _ in range(times)]
    return [Line(f"{what}: 95 of 100 answers within, ms", _p95(seconds), f"{goal:.0f}")]


def _p95(seconds: list[float]) -> str:
    return f"{np.quantile(seconds, 0.95) * 1000:.0f}"


def _viewed(what: str, port: int, goes_on: Callable[[], bool]) -> list[Line]:
    """As long as something goes on, and half a minute at least."""
    audience = Audience(port)
    begin = time.monotonic()
    with ThreadPoolExecutor(VIEWERS + 1) as pool:
        looking = [pool.submit(audience.look, number) for number in range(VIEWERS)]
        looking.append(pool.submit(audience.scrape))
        try:
            while time.monotonic() - begin < _LEAST_SECONDS or goes_on():
                time.sleep(0.5)
        finally:
            audience.end.set()
        for each in looking:
            each.result()
    goals = {"overview": PAGE_MS, "devices": PAGE_MS, "metrics": METRICS_MS}
    return [
        Line(f"{what}, {kind}: 95 of 100 within, ms ({len(seconds)} asked for)", _p95(seconds), f"{goals[kind]}")
        for kind, seconds in audience.took.items()
    ]


class Audience:
    """Those who look, and a Prometheus; `took` holds the seconds that each waited."""

    def __init__(self, port: int) -> None:
        self.end = threading.Event()
        self.took: dict[str, list[float]] = {"overview": [], "devices": [], "metrics": []}
        self._port = port

    def look(self, number: int) -> None:
        """Each begins elsewhere, and at another moment."""
        viewer = Viewer(self._port)
        self.end.wait(number * _PAUSE / VIEWERS)
        for place in islice(cycle(("/", *_LISTS)), number, None):
            seconds, _ = viewer.get(place)
            self.took["overview" if place == "/" else "devices"].append(seconds)
            if self.end.wait(max(0.0, _PAUSE - seconds)):
                return

    def scrape(self) -> None:
        viewer = Viewer(self._port)
        while not self.end.wait(_PAUSE):
            self.took["metrics"].append(viewer.get("/metrics")[0])


def _export(port: int) -> Callable[[], bool]:
    """Start one as the page does; what is returned tells whether it is at work."""
    _ask_api(port, "POST", "/api/v1/jobs/export/runs")
    begin = time.monotonic()

    def goes_on() -> bool:
        last = _ask_api(port, "GET", "/api/v1/jobs/export")["last"]
        return last["outcome"] == "running" if last else time.monotonic() - begin < _LEAST_SECONDS

    return goes_on


def _ask_api(port: int, method: str, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status >= http.client.BAD_REQUEST:
        raise RuntimeError(f"{method} {path}: {answer.status} {said!r}")
    return json.loads(said)


def _role_page(port: int) -> list[Line]:
    """Asked by a program of its own, which does not share our interpreter with anything."""
    lines = []
    for what, keep in (("connections that stay open", True), ("a connection for each", False)):
        command = [sys.executable, "-c", _ASK, str(port), "4000", "yes" if keep else ""]
        found = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        lines.append(Line(f"GET / per second, {what}", f"{found:,.0f}", f"{ROLE_PER_SECOND:,}"))
    return lines


def _sizes(port: int) -> list[Line]:
    """The first page with its style, its script and its picture, compressed as they are sent."""
    viewer = Viewer(port)
    body = viewer.get("/")[1]
    page = gzip.decompress(body).decode()
    files = sorted(set(re.findall(r'"(/static/[^"]+)"', page)))
    size = len(body) + sum(len(viewer.get(file)[1]) for file in files)
    return [Line(f"first page with its {len(files)} files, compressed, KiB", f"{size / 1024:.1f}", f"{FIRST_PAGE_KIB}")]


#: So many questions over four connections, as the mirror asks; prints how many were answered in a second.
_ASK = """
import socket, sys, threading, time
port, number, stays_open = int(sys.argv[1]), int(sys.argv[2]), bool(sys.argv[3])
how = "keep-alive" if stays_open else "close"
question = f"GET / HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nConnection: {how}\\r\\n\\r\\n".encode()
def ask():
    connection = None
    for _ in range(number // 4):
        connection = connection or socket.create_connection(("127.0.0.1", port))
        connection.sendall(question)
        answer = b""
        while not answer.endswith(b"MASTER"):
            answer += connection.recv(4096)
        if not stays_open:
            connection.close()
            connection = None
threads = [threading.Thread(target=ask) for _ in range(4)]
begin = time.perf_counter()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(number / (time.perf_counter() - begin))
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sm-web-") as folder, private_server(*SERVER_OPTIONS) as server:
        text = measure(server, Path(folder))
    save(HEADING, text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
