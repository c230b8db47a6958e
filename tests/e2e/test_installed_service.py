"""The installed service, started by the words of its unit, and looked at with the installed command."""

from __future__ import annotations

import configparser
import http.client
import json
import os
import signal
import socket
import subprocess
from contextlib import closing, contextmanager

import pytest

from support.cli import until
from support.installation import assignments, installation
from support.mariadb import free_port

NEVER = "0 0 29 2 *"
JOBS = ("DEVICES", "HISTORY", "STATISTICS", "EXPORT", "MESSAGES", "HOUSEKEEPING")


@pytest.fixture
def installed(site):
    """With settings in the environment file only, among them a password that a shell would stumble over."""
    with installation(telling=False) as made:
        assert made.make("install").returncode == 0
        settings = {name: text for name, text in site.environ.items() if name.startswith("MYSQL_")}
        settings |= {f"SCHEDULER_{job}": NEVER for job in JOBS}
        settings |= {"ADDRESS": "127.0.0.1", "PORT": str(free_port()), "LOG_FORMAT": "json"}
        lines = "".join(f"{name}='{text}'\n" for name, text in settings.items())
        (made.config / "environment").write_text(lines)
        yield made


def unit_of(made):
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read(made.unit)
    return unit["Service"]


@contextmanager
def started(made, unit):
    """What systemd would do with a unit of Type=notify: its words are said to the socket that is given here."""
    environ = dict([unit["Environment"].split("=", 1)]) | assignments((made.config / "environment").read_text())
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notified, (made.root / "log").open("wb") as log:
        notified.bind(str(made.root / "notify"))
        notified.settimeout(30)
        process = subprocess.Popen(
            unit["ExecStart"].split(),
            cwd=unit["WorkingDirectory"],
            env={"PATH": os.environ["PATH"], **environ, "NOTIFY_SOCKET": str(made.root / "notify")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield process, notified
        finally:
            process.kill()
            process.wait()


def role(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read().decode()


def test_the_unit_starts_reloads_and_stops_the_service_and_the_command_sees_it(installed):
    unit = unit_of(installed)
    port = int(assignments((installed.config / "environment").read_text())["PORT"])
    with started(installed, unit) as (process, notified):
        assert notified.recv(1024) == b"READY=1"
        until(lambda: role(port) == "MASTER")

        seen = installed.run("status", "--json")
        assert seen.returncode == 0, seen.stderr
        assert json.loads(seen.stdout)["here"]["role"] == "MASTER"

        reload = unit["ExecReload"].replace("$MAINPID", str(process.pid))
        subprocess.run(reload.split(), check=True)
        until(lambda: "configuration read again" in (installed.root / "log").read_text())

        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_wrong_settings_end_with_the_status_after_which_it_is_not_started_again(installed):
    unit = unit_of(installed)
    with (installed.config / "environment").open("a") as file:
        file.write("EXPORT_DAYS=none\n")
    with started(installed, unit) as (process, _):
        assert process.wait(30) == int(unit["RestartPreventExitStatus"])
