"""The demo, whole."""

import os
import subprocess
import sys
from pathlib import Path

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


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "accounts.txt").write_text("important")
    done = demo(tmp_path, "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "holds other things than a demo" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["accounts.txt"]
