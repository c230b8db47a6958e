"""The real command in a process of its own, in an environment with nothing in it but what the test says.

Whatever it prints is searched for secrets and stack traces, whichever test it runs for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

COMMAND = Path(sys.executable).with_name("servicemanager")
#: Long enough for any run here on a machine that is busy with other things.
PATIENCE = 60.0

_SECRET_VARIABLES = ("MYSQL_PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")


@dataclass(frozen=True)
class Ran:
    """What a command said and how it ended."""

    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def sentences(self) -> list[str]:
        """What stderr says to a person: neither log lines nor notes."""
        return [line for line in self.stderr.splitlines() if not line.startswith(("{", "note: "))]

    @property
    def sentence(self) -> str:
        """The only one."""
        (line,) = self.sentences
        return line

    @property
    def notes(self) -> list[str]:
        return [line for line in self.stderr.splitlines() if line.startswith("note: ")]

    @property
    def document(self) -> Any:
        """What --json printed."""
        return json.loads(self.stdout)


@dataclass
class Running:
    """A command at work."""

    process: subprocess.Popen
    stdout: IO[bytes]
    stderr: IO[bytes]
    secrets: tuple[str, ...]
    began: float = field(default_factory=time.monotonic)

    def peak_mib(self) -> float:
        """Watch the command to its end, and return the most memory that it ever held."""
        peak = 0

        def is_over() -> bool:
            nonlocal peak
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            held = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
            peak = max([peak, *held])
            return not held

        until(is_over)
        return peak / 1024

    def wait(self, patience: float = PATIENCE) -> Ran:
        """Fails the test when the command does not end within `patience` seconds, or showed what it must not."""
        asked = time.monotonic()
        alarm = threading.Timer(patience, self.process.kill)
        alarm.start()
        self.process.wait()
        alarm.cancel()
        alarm.join()
        ended = time.monotonic()
        shown = _text(self.stdout), _text(self.stderr)
        self.stdout.close()
        self.stderr.close()
        assert ended - asked < patience, f"the command had to be killed after {patience} s; it said:\n{shown[1]}"
        _check("\n".join(shown), self.secrets)
        return Ran(self.process.returncode, *shown, ended - self.began)


def start(*arguments: str, environ: Mapping[str, str], folder: Path, wrapper: Sequence[str] = ()) -> Running:
    """Start ``servicemanager ARGUMENTS`` in `folder`; `wrapper` is a command that runs it."""
    stdout, stderr = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `wait`
    environ = {**bare_environ(folder), **environ}
    process = subprocess.Popen(
        [*wrapper, str(COMMAND), *arguments],
        env=environ,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )
    return Running(process, stdout, stderr, tuple(environ[name] for name in _SECRET_VARIABLES if environ.get(name)))


def servicemanager(*arguments: str, environ: Mapping[str, str], folder: Path, wrapper: Sequence[str] = ()) -> Ran:
    """Run the command to its end."""
    return start(*arguments, environ=environ, folder=folder, wrapper=wrapper).wait()


def bare_environ(home: Path) -> dict[str, str]:
    """Neither the developer's settings nor this machine's AWS role take part."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }


def _text(file: IO[bytes]) -> str:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


def _check(shown: str, secrets: Iterable[str]) -> None:
    for secret in secrets:
        for spelling in (secret, quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1]):
            assert spelling not in shown, "a secret was shown"
    for trace in ("Traceback", "panicked", "PanicException", "site-packages"):
        assert trace not in shown, shown


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Look until `condition()` holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
