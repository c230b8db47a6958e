"""One instance of the service as an operator runs it, with cables of its own to all that it talks to.

Whatever runs in the instance's folder belongs to it: the daemon, its children, and runs that a test starts there. So a
machine that stops or dies takes all of them along.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .cable import Cable, Trunk
from .cli import COMMAND, PATIENCE, bare_environ, until

MASTER, SLAVE = "MASTER", "SLAVE"
#: Seconds that a role page gets.
_SHORT = 0.3


@dataclass
class Instance:
    """`environ` leads it through its cables; `wrapper` is a command that runs the daemon."""

    name: str
    port: int
    folder: Path
    environ: Mapping[str, str]
    database: Trunk
    store: Cable
    mirror: Cable
    process: subprocess.Popen | None = None
    wrapper: Sequence[str] = ()
    #: Runs that were started beside the daemon.
    _runs: list[subprocess.Popen] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """All that the daemon and its children ever said."""
        return self.folder / "stderr.log"

    def start(self) -> None:
        """The daemon; it need not be ready when this returns."""
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs already"
        self.process = self._spawn("run", wrapper=self.wrapper)

    def await_ready(self) -> None:
        until(self._answers)

    def run_job(self, job: str) -> subprocess.Popen:
        """A run of a job on this instance's machine, over its cables."""
        self._runs = [run for run in self._runs if run.poll() is None]
        run = self._spawn("run-job", job, "--json")
        self._runs.append(run)
        return run

    def role(self) -> str | None:
        """What its page says, asked past all cables; None where it does not answer at once."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SHORT)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read(64).decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> int:
        """As systemd does it; returns the exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """The daemon alone: its children find out by themselves."""
        self.process.kill()
        self.process.wait()

    def crash(self) -> None:
        """The whole machine: nobody has time for a last word."""
        self.freeze()  # lest a child notices its parent's end first
        for pid in processes_in(self.folder):
            _send(pid, signal.SIGKILL)
        for process in (self.process, *self._runs):
            if process:
                process.wait()
        until(lambda: not processes_in(self.folder))

    def freeze(self) -> None:
        """The whole machine stands still, as when a virtual machine is paused."""
        for pid in processes_in(self.folder):
            _send(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in processes_in(self.folder):
            _send(pid, signal.SIGCONT)

    def mend(self) -> None:
        """All cables are well again."""
        for cable in (self.database, self.store, self.mirror):
            cable.mend()

    def close(self) -> None:
        if processes_in(self.folder):
            self.crash()
        for cable in (self.database, self.store, self.mirror):
            cable.close()

    def _answers(self) -> bool:
        assert self.alive, f"{self.name} ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}"
        return self.role() is not None

    def _spawn(self, *arguments: str, wrapper: Sequence[str] = ()) -> subprocess.Popen:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*wrapper, str(COMMAND), *arguments],
                env={**bare_environ(self.folder), **self.environ},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )


def processes_in(folder: Path) -> list[int]:
    """Every process that works in that folder, but those that only wait to be buried."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "cwd").readlink() == folder:
                    found.append(int(entry.name))
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
