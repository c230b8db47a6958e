"""Start the installed service under a real systemd, in a container of systemd-nspawn, and see it work, fail and stop.

Needs root, Linux, and Debian's packages `systemd-container` and `mariadb-server`; takes three or four minutes. The
container sees this machine's /usr, its network, and nothing else; nothing of this machine is changed.

    make check-systemd
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.mariadb import private_server  # noqa: E402 -- after the path

UID = 990
PORT = 80
JOBS = ("DEVICES", "HISTORY", "STATISTICS", "EXPORT", "MESSAGES", "HOUSEKEEPING")
PREFIX = "/opt/servicemanager-check"  # a place that the container can be given; /usr is read-only there


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def expect(what: str, condition: Callable[[], object], patience: float = 30) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: {what}")
        time.sleep(0.3)
    say(f"ok: {what}")


@dataclass(frozen=True)
class Container:
    """The inside of it, by the process id of its systemd."""

    init: str

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        inside = ["nsenter", "--target", self.init, "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--", *command]
        return subprocess.run(inside, capture_output=True, text=True, check=False, timeout=60)

    def systemctl(self, *words: str) -> int:
        return self.run("systemctl", *words, "servicemanager").returncode

    def show(self, name: str) -> str:
        return self.run("systemctl", "show", "--property", name, "--value", "servicemanager").stdout.strip()

    def status(self) -> str:
        return self.run(f"{PREFIX}/bin/servicemanager", "status").stdout

    def logged(self, text: str) -> bool:
        return text in self.run("journalctl", "--unit", "servicemanager", "--output", "cat").stdout


def install(tree: Path, mysql: dict[str, str]) -> None:
    """Into a tree of its own, with an account that only the container knows."""
    environ = {**os.environ, "DESTDIR": str(tree), "PREFIX": PREFIX}
    subprocess.run([ROOT / "scripts" / "install"], env=environ, check=True)
    config = tree / "etc" / "servicemanager"
    settings = mysql | {f"SCHEDULER_{job}": "*/1 * * * *" for job in JOBS}
    settings |= {"ADDRESS": "127.0.0.1", "PORT": str(PORT), "EXPORT_PURGE": "true"}
    settings |= {"EXPORT_BUCKET": "file:///var/lib/servicemanager/bucket"}
    (config / "environment").write_text("".join(f"{name}='{text}'\n" for name, text in settings.items()))
    for path in (config, *config.iterdir()):
        os.chown(path, 0, UID)
    (tree / "etc" / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nmessagebus:x:100:100::/:/bin/false\n"
        f"servicemanager:x:{UID}:{UID}::/var/lib/servicemanager:/usr/sbin/nologin\n"
    )
    (tree / "etc" / "group").write_text(f"root:x:0:\nmessagebus:x:100:\nservicemanager:x:{UID}:\n")


@contextmanager
def booted(tree: Path) -> Iterator[Container]:
    """A container that has nothing but /usr, and what is bound into it."""
    unit = "/etc/systemd/system/servicemanager.service"
    bound = (PREFIX, "/etc/servicemanager", "/etc/passwd", "/etc/group", unit)
    command = ["systemd-nspawn", "--directory=/", "--volatile=yes", "--register=no", "--keep-unit", "--console=pipe"]
    command += [f"--bind-ro={tree}{path}:{path}" for path in bound]
    command += ["--machine=servicemanager-check", "--boot"]
    with (tree / "boot.log").open("wb") as log:
        outside = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
        expect("the container boots", lambda: children.read_text().split())
        container = Container(children.read_text().split()[-1])
        expect(
            "its systemd answers", lambda: container.run("systemctl", "is-system-running").stdout.strip() != "offline"
        )
        yield container
    finally:
        outside.terminate()
        outside.wait()


def fill(server, sql: Path) -> dict[str, str]:
    """A platform with readings that are due; returns how to get at it."""
    text = re.sub(r"^--.*$", "", sql.read_text(), flags=re.MULTILINE)
    server.execute("CREATE DATABASE IOTDB", "CREATE USER sm@'127.0.0.1' IDENTIFIED BY '$word \"'")
    server.execute("GRANT ALL ON IOTDB.* TO sm@'127.0.0.1'")
    server.execute(*(part for part in text.split(";") if part.strip()), database="IOTDB")
    server.execute(
        "INSERT INTO Facts SELECT 'w', 2026, 1, 1, 1, 1, 1, seq % 60, 'shop', 'board', 1, seq, "
        "NOW() - INTERVAL 20 DAY + INTERVAL seq SECOND FROM seq_1_to_20000",
        database="IOTDB",
    )
    return {
        "MYSQL_HOST": "127.0.0.1",
        "MYSQL_PORT": str(server.port),
        "MYSQL_USER": "sm",
        "MYSQL_PASSWORD": '$word "',
    }


def check(inside: Container, server, config: Path) -> None:
    """What an operator counts on."""
    expect("it starts", lambda: inside.systemctl("start") == 0)
    expect("every job is done once", lambda: inside.status().count(" done ") == len(JOBS), 120)
    expect("what was due is archived and purged", lambda: not server.execute("SELECT 1 FROM Facts", database="IOTDB"))

    first = inside.show("MainPID")
    expect("it reloads", lambda: inside.systemctl("reload") == 0)
    expect("it says so", lambda: inside.logged("configuration read again"))

    file = config / "config.yml"
    file.write_text(f"{file.read_text()}  cluster:\n    lease: 14s\n")
    expect("it reloads what takes a new start", lambda: inside.systemctl("reload") == 0)
    expect("it starts anew", lambda: inside.logged("starting anew"))
    until = time.monotonic() + 40
    expect("40 seconds later systemd has not killed it", lambda: time.monotonic() > until, 60)
    expect("it is the same process", lambda: inside.show("MainPID") == first and inside.show("ActiveState") == "active")

    inside.run("kill", "-KILL", first)
    expect(
        "killed, it is started again",
        lambda: inside.show("ActiveState") == "active" and inside.show("NRestarts") == "1",
    )
    inside.run("kill", "-STOP", inside.show("MainPID"))
    expect("frozen, it is started again", lambda: inside.show("NRestarts") == "2", 120)
    expect("it works again", lambda: inside.show("ActiveState") == "active")

    began = time.monotonic()
    expect("it stops", lambda: inside.systemctl("stop") == 0)
    expect("within ten seconds", lambda: time.monotonic() < began + 10, 0)
    expect("with status 0", lambda: inside.show("ExecMainStatus") == "0")

    file.write_text(f"{file.read_text()}  nonsense: 1\n")
    expect("wrong settings: it does not start", lambda: inside.systemctl("start") != 0)
    time.sleep(7)
    expect("and is not tried again", lambda: (inside.show("ActiveState"), inside.show("NRestarts")) == ("failed", "0"))


def main() -> None:
    """Exit status 0: all of it is so. 1: something is not, and is named."""
    if os.geteuid() != 0 or not shutil.which("systemd-nspawn"):
        sys.exit("This needs root and systemd-nspawn (Debian's package systemd-container).")
    with tempfile.TemporaryDirectory(prefix="sm-systemd-") as folder, private_server() as server:
        tree = Path(folder)
        install(tree, fill(server, ROOT / "packaging" / "container" / "iotdb.sql"))
        with booted(tree) as inside:
            check(inside, server, tree / "etc" / "servicemanager")
    say("All of it is so.")


if __name__ == "__main__":
    main()
