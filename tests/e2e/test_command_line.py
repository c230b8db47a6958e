"""The command line as a stranger uses it, on nothing but an empty folder."""

import json
import os
import pty
import re
import select
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support.exports import days_ago
from support.iotdb import reading, sqlite_iotdb

COMMAND = str(Path(sys.executable).with_name("servicemanager"))
ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}


def servicemanager(folder, *arguments, **environ) -> subprocess.CompletedProcess:
    return subprocess.run(
        [COMMAND, *arguments], cwd=folder, env={**ENVIRON, **environ}, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def folder(tmp_path):
    """A working directory whose embedded database holds two days to archive."""
    iotdb = sqlite_iotdb(tmp_path / "servicemanager-data" / "iotdb.sqlite")
    iotdb.insert([reading(days_ago(day), data=n) for day in (0, 1, 2) for n in range(20)])
    iotdb.database.close()
    return tmp_path


def rows_left(folder) -> int:
    with closing(sqlite3.connect(folder / "servicemanager-data" / "iotdb.sqlite")) as connection:
        return connection.execute("SELECT COUNT(*) FROM Facts").fetchone()[0]


def test_help_names_every_command_and_imports_nothing_heavy():
    heavy = "{'sqlalchemy', 'pyarrow', 'numpy', 'botocore', 'pydantic', 'yaml'}"
    code = f"""
import sys
from servicemanager.cli.app import app
try:
    app(['--help'])
finally:
    print('loaded', sorted({heavy} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRON, timeout=60)
    assert "loaded []" in done.stdout
    for name in ("config", "db", "demo", "export", "verify"):
        assert re.search(rf"\b{name}\b", done.stdout)


def test_the_embedded_default_archives_purges_and_verifies(folder):
    plan = json.loads(servicemanager(folder, "export", "--dry-run", "--json").stdout)
    assert [window["rows"] for window in plan["windows"]] == [20, 20]
    assert plan["purge"]["decision"] == "yes"
    done = servicemanager(folder, "export", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["counts"]["rows_purged"] == 40
    assert "embedded database" in done.stderr
    assert rows_left(folder) == 20
    verified = servicemanager(folder, "verify", "--json")
    assert (verified.returncode, json.loads(verified.stdout)["sound_rows"]) == (0, 40)
    assert "2 sound" in servicemanager(folder, "verify", "--bucket-only").stdout


def test_no_purge_and_max_rows_and_before_do_what_they_say(folder):
    servicemanager(folder, "export", "--no-purge", "--max-rows", "1")
    assert rows_left(folder) == 60
    assert json.loads(servicemanager(folder, "verify", "--json").stdout)["sound_rows"] == 20
    day = (days_ago(1)).date().isoformat()
    done = servicemanager(folder, "export", "--before", day)
    assert "readings deleted from the database" in done.stdout
    assert rows_left(folder) == 40
    late = servicemanager(folder, "export", "--before", "2999-01-01")
    assert (late.returncode, "lies in the future" in late.stderr) == (2, True)


@pytest.mark.parametrize("off", [{"EXPORT_ENABLED": "false"}, {"EXPORT_ACTIVE": "no"}])
def test_a_switched_off_export_does_nothing(folder, off, mysql_server, mysql_database):
    environ = {
        "MYSQL_HOST": mysql_server.host,
        "MYSQL_PORT": str(mysql_server.port),
        "MYSQL_USER": mysql_server.user,
        "MYSQL_PASSWORD": mysql_server.password,
        "MYSQL_DATABASE": mysql_database,
        "EXPORT_BUCKET": f"file://{folder}/bucket",
    }
    done = servicemanager(folder, "export", **environ, **off)
    assert (done.returncode, done.stdout) == (0, "Nothing is exported or deleted: export.active is off.\n")
    del environ["EXPORT_BUCKET"]
    done = servicemanager(folder, "export", **environ)
    assert (done.returncode, "no bucket is configured" in done.stdout) == (0, True)


def test_wrong_settings_are_all_named_and_end_with_status_2(tmp_path):
    done = servicemanager(tmp_path, "export", EXPORT_DAYS="0", EXPORT_PURGE="perhaps")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [any(word in line for line in lines) for word in ("EXPORT_DAYS", "EXPORT_PURGE", "mysql.host")] == [True] * 3
    assert servicemanager(tmp_path, "export", "--no-such-option").returncode == 2


def test_a_terminal_sees_a_progress_bar_with_rows_per_second(folder):
    shown = in_terminal([COMMAND, "export"], folder)
    assert re.search(r"archived.*40/40", shown)
    assert re.search(r"purged.*40/40.*rows/s", shown)


def in_terminal(command: list[str], folder: Path) -> str:
    """What a process writes to a terminal of its own."""
    ours, its = pty.openpty()
    environ = {**ENVIRON, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=its, stderr=its, stdin=its)
    os.close(its)
    shown = b""
    with closing(os.fdopen(ours, "rb", buffering=0)) as terminal:
        while select.select([terminal], [], [], 60)[0]:
            try:
                shown += terminal.read(65536)
            except OSError:  # the other end is closed
                break
    assert process.wait(10) == 0
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
