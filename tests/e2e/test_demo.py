"""The demo, whole."""

import http.client
import os
import re
import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

from support.cli import until
from support.mariadb import free_port

COMMAND = str(Path(sys.executable).with_name("servicemanager"))


def demo(folder, *arguments) -> subprocess.CompletedProcess:
    # Whatever a shell has configured, a demo stays on this machine.
    environ = {"PATH": os.environ["PATH"], "MYSQL_HOST": "db.example", "EXPORT_BUCKET": "production"}
    return subprocess.run(
        [COMMAND, "demo", "--once", *arguments], cwd=folder, env=environ, capture_output=True, text=True, timeout=180
    )


def test_the_demo_shows_that_nothing_was_lost_and_can_be_looked_at_afterwards(tmp_path):
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Nothing lost, nothing doubled" in done.stdout
    assert "agree in every column" in done.stdout
    noise = done.stdout.partition("noisiest sensors")[2].partition("In the data were")[0].strip().splitlines()
    assert len(noise[2:]) == 10
    for job in ("devices", "history", "statistics", "export", "messages", "housekeeping", "selfcare"):
        assert re.search(rf"^{job} ", done.stdout, re.MULTILINE)
    assert all(int(line.split()[-1].replace(",", "")) > 0 for line in noise[2:])
    verified = subprocess.run(
        [COMMAND, "verify"],
        cwd=tmp_path / "servicemanager-demo",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (verified.returncode, verified.stdout.startswith("Objects: 12 sound.")) == (0, True)


def test_the_service_runs_on_it_afterwards_until_ctrl_c(tmp_path):
    port = free_port()
    environ = {"PATH": os.environ["PATH"]}
    # Without the million readings that come before it, which the test above has seen.
    program = f"from servicemanager.cli.demo import run_service; run_service(Path('.'), {port})"
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", f"from pathlib import Path; {program}"],
            cwd=tmp_path,
            env=environ,
            stdout=said,
            stderr=said,
        )
    try:
        until(lambda: role(port) == "MASTER")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert "stopping" in (tmp_path / "said").read_text()


def role(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with closing(connection), suppress(OSError):
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    return None


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "accounts.txt").write_text("important")
    done = demo(tmp_path, "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "holds other things than a demo" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["accounts.txt"]
