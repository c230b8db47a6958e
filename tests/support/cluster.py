"""Two or more instances on one database and one bucket, while a gateway inserts and exports never end."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

from servicemanager.archive.objects import ObjectStore

from .cli import PATIENCE, until
from .exports import archived_rows
from .fence_log import Entry, find_double_work, read_log
from .galera import Galera
from .gateway import Gateway, Reader
from .instance import MASTER, SLAVE, Instance
from .mariadb import Server
from .s3server import SECRET
from .witness import Witness, find_two_masters

#: Seconds that a busy machine may take longer for anything.
BUSY = 4


@dataclass
class Verdict:
    """What is wrong, in sentences, and in numbers."""

    double_work: list[str]
    two_masters: list[str]
    lost: int
    doubled: int
    statistics_empty: int
    #: Lines of the logs that no program of ours should ever write.
    traces: list[str]

    @property
    def troubles(self) -> list[str]:
        """Empty where all is well."""
        counted = {"lost rows": self.lost, "doubled rows": self.doubled, "empty statistics": self.statistics_empty}
        counts = [f"{number} {what}" for what, number in counted.items() if number]
        return [*self.double_work, *self.two_masters, *self.traces, *counts]


@dataclass
class Cluster:
    """`runs` counts the runs that were started beside the daemons, by job and exit status."""

    server: Server | Galera
    schema: str
    store: ObjectStore
    lease: timedelta
    instances: list[Instance]
    gateway: Gateway
    reader: Reader
    witness: Witness
    runs: Counter = field(default_factory=Counter)
    _done: threading.Event = field(default_factory=threading.Event)
    _work: threading.Thread | None = None

    def __getitem__(self, number: int) -> Instance:
        return self.instances[number]

    @property
    def crash_limit(self) -> float:
        """Seconds after which another instance leads."""
        return 1.5 * self.lease.total_seconds() + BUSY

    def start(self) -> None:
        """All instances, one of which becomes master, and everything that goes on meanwhile."""
        for instance in self.instances:
            instance.start()
        for instance in self.instances:
            instance.await_ready()
        self.settle()

    def master(self) -> Instance | None:
        """Whoever says so first."""
        return next((each for each in self.instances if each.role() == MASTER), None)

    def settle(self, patience: float = PATIENCE) -> Instance:
        """The one master, once there is one and every other living instance is slave."""
        masters: list[Instance] = []

        def is_settled() -> bool:
            roles = {instance.name: instance.role() for instance in self.instances if instance.alive}
            masters[:] = [instance for instance in self.instances if roles.get(instance.name) == MASTER]
            return len(masters) == 1 and list(roles.values()).count(SLAVE) == len(roles) - 1

        until(is_settled, patience)
        return masters[0]

    def takeover(self, since: float, *but: Instance) -> float:
        """Seconds from `since` until an instance, but those, says MASTER."""
        names = {instance.name for instance in but}
        found = self.witness.await_master(since, lambda name: name not in names)
        assert found, "nobody has taken over"
        return found[1] - since

    def others(self, instance: Instance) -> list[Instance]:
        return [each for each in self.instances if each is not instance]

    def keep_exporting(self) -> None:
        """From now on a job runs on the master's machine nearly all the time; returns when rows are being purged."""
        self._work = threading.Thread(target=self._export, name="exports", daemon=True)
        self._work.start()
        until(self.purged)

    def finish(self) -> Verdict:
        """Stop the work, let one last export take what is left, and judge."""
        self.quieten()
        for instance in self.instances:
            instance.mend()
            instance.thaw()
        master = self.settle()

        def exports_all() -> bool:
            assert master.alive
            return master.run_job("export").wait(PATIENCE) == 0

        until(exports_all)
        return self.judge()

    def quieten(self) -> None:
        self._done.set()
        if self._work:
            self._work.join()
        for thread in (self.gateway, self.reader, self.witness):
            thread.stop()

    def judge(self) -> Verdict:
        lost, doubled = self.gateway.compare(self.rows() + archived_rows(self.store))
        traces = [f"{each.name}: {line}" for each in self.instances for line in _traces(each.log)]
        return Verdict(
            find_double_work(self.log()),
            find_two_masters(self.witness.told),
            lost,
            doubled,
            self.reader.empty,
            traces,
        )

    def log(self) -> list[Entry]:
        """What was committed in fenced transactions so far."""
        return read_log(self.server, self.schema)

    def purged(self, since_term: int = 0) -> int:
        """Parts that exports of that term or later purged."""
        return sum(entry.kind == "purge" and entry.term >= since_term for entry in self.log())

    @contextmanager
    def row_locks(self) -> Iterator[Callable[[], bool]]:
        """Somebody locks all rows of Facts; the value tells whether a purge waits for them, in its transaction."""
        with closing(self.server.connect(self.schema)) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            connection.begin()
            cursor.execute("SELECT COUNT(*) FROM Facts FOR UPDATE")
            yield self._purge_waits

    def _purge_waits(self) -> bool:
        # The server shows again what it showed last as long as it was asked within a tenth of a second.
        time.sleep(0.15)
        waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        ((number,),) = self.server.execute(f"{waiting} AND trx_query LIKE '%Facts%FOR UPDATE%'")
        return number > 0

    def rows(self) -> Counter:
        """Those still in Facts."""
        columns = "channel,year,month,day,week_day,hour,minute,second,device_group,device,sensor,data,creationDate"
        connection = self.server.connect(self.schema)
        with connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone='+00:00'")
            cursor.execute(f"SELECT {columns} FROM Facts")
            return Counter(cursor.fetchall())

    def close(self) -> None:
        for instance in self.instances:
            instance.close()
        self.quieten()

    def _export(self) -> None:
        started: dict[str, tuple[str, subprocess.Popen]] = {}
        for number in count():
            if self._done.wait(0.1):
                return
            for name, (job, run) in list(started.items()):
                if run.poll() is not None:
                    self.runs[job, run.returncode] += 1
                    del started[name]
            master = self.master()
            # A run that stands still with its machine keeps nobody else from working.
            if master and master.name not in started:
                job = "statistics" if number % 5 == 4 else "export"
                started[master.name] = job, master.run_job(job)


def _traces(log: Path) -> Iterator[str]:
    """Lines that a person should never see."""
    if log.exists():
        for line in log.read_text().splitlines():
            if "Traceback" in line or "panicked" in line or SECRET in line:
                yield line[:300]
