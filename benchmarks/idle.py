"""What the service costs while it has nothing to do: `make idle`, ten minutes; writes its part of RESULTS.md.

Two instances on one MariaDB, with default timing; no job but those of the default schedule falls due. Counted are the
processor time and the memory of each daemon alone; what its children need for their jobs is told apart.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from benchmarks.harness import SERVER_OPTIONS, measured_on, save

from support.cli import COMMAND, bare_environ
from support.mariadb import Server, free_port, private_server

#: The platform's tables, as the containers make them.
PLATFORM = Path(__file__).resolve().parent.parent / "packaging" / "container" / "iotdb.sql"
_TICK = os.sysconf("SC_CLK_TCK")
#: Start-up is told apart from idling.
_SETTLED = 15.0
MEMORY_GOAL, CPU_GOAL = 120, 0.5


def processor_seconds(pid: int, *, children: bool = False) -> float:
    """Of the process itself, or of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    first = 13 if children else 11
    return (int(fields[first]) + int(fields[first + 1])) / _TICK


def memory_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def role(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError):
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    return ""


def start(server: Server, folder: Path, port: int, mirror: int) -> tuple[subprocess.Popen, float]:
    """A daemon that answers, and the seconds until it did."""
    folder.mkdir()
    environ = bare_environ(folder) | {
        "MYSQL_HOST": server.host,
        "MYSQL_PORT": str(server.port),
        "MYSQL_USER": server.user,
        "MYSQL_DATABASE": "idle",
        "ADDRESS": "127.0.0.1",
        "PORT": str(port),
        "MIRROR": f"127.0.0.1:{mirror}",
    }
    began = time.monotonic()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([COMMAND, "run"], cwd=folder, env=environ, stderr=log, stdin=subprocess.DEVNULL)
    while not role(port):
        time.sleep(0.02)
    return process, time.monotonic() - began


def main() -> None:
    seconds = float(os.environ.get("IDLE_SECONDS") or 600)
    with (
        tempfile.TemporaryDirectory(prefix="sm-idle-") as folder,
        private_server(*SERVER_OPTIONS) as server,
        ExitStack() as stack,
    ):
        server.execute("CREATE DATABASE idle")
        server.execute(*filter(None, map(str.strip, PLATFORM.read_text().split(";"))), database="idle")
        ports = [free_port(), free_port()]
        started = [start(server, Path(folder) / str(n), ports[n], ports[1 - n]) for n in (0, 1)]
        for process, _ in started:
            stack.callback(process.wait)
            stack.callback(process.terminate)
        time.sleep(_SETTLED)
        pids = [process.pid for process, _ in started]
        before = [(processor_seconds(pid), processor_seconds(pid, children=True)) for pid in pids]
        began = time.monotonic()
        time.sleep(seconds)
        lasted = time.monotonic() - began
        text = measured_on(server) + f"\nTwo instances for {lasted:.0f} seconds, with the default timing.\n\n"
        text += (
            "| instance | % of a core | goal | memory, MiB | goal | start to role page, s | its jobs, s of a core |\n"
        )
        text += "|---|---:|---:|---:|---:|---:|---:|\n"
        for pid, port, (own, children), (_, ready) in zip(pids, ports, before, started, strict=True):
            share = 100 * (processor_seconds(pid) - own) / lasted
            jobs = processor_seconds(pid, children=True) - children
            cells = (
                role(port),
                f"{share:.2f}",
                CPU_GOAL,
                f"{memory_mib(pid):.0f}",
                MEMORY_GOAL,
                f"{ready:.2f}",
                f"{jobs:.1f}",
            )
            text += "| " + " | ".join(map(str, cells)) + " |\n"
    save("# An idle service", text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
