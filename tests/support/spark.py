"""A Spark cluster on the loopback: a standalone master and two workers, real processes, small."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .cli import bare_environ, until
from .s3server import ACCESS_KEY, SECRET

#: A JVM that starts fast and stays small.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss512k"


@dataclass
class SparkCluster:
    """What runs; `environ` is what a driver needs."""

    folder: Path
    master: str
    environ: dict[str, str]
    processes: list[subprocess.Popen] = field(default_factory=list)
    workers: list[subprocess.Popen] = field(default_factory=list)

    def start_worker(self) -> None:
        """With AWS credentials of its own, as a machine with a role has them."""
        number = len(self.processes)
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        arguments = ["--cores", "2", "--memory", "1g", "--work-dir", str(self.folder / f"work-{number}"), self.master]
        self.workers.append(self._start("worker.Worker", *arguments, **keys))

    def kill_worker(self) -> None:
        """The first one and everything that it started, as if its machine had lost power."""
        worker = self.workers.pop(0)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def count_workers(self) -> int:
        return sum("Successfully registered with master" in log.read_text() for log in self.folder.glob("*.log"))

    def _start(self, name: str, *arguments: str, **environ: str) -> subprocess.Popen:
        log = (self.folder / f"{name}-{len(self.processes)}.log").open("wb")
        program = [f"{self.environ['SPARK_HOME']}/bin/spark-class", f"org.apache.spark.deploy.{name}"]
        process = subprocess.Popen(
            [*program, "--host", "127.0.0.1", "--webui-port", "0", *arguments],
            env={**self.environ, **environ, "SPARK_DAEMON_JAVA_OPTS": _JAVA, "SPARK_DAEMON_MEMORY": "256m"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self.processes.append(process)
        return process

    def start_master(self) -> None:
        self._start("master.Master", "--port", self.master.rpartition(":")[2])

    def stop(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def running_spark(folder: Path) -> Iterator[SparkCluster]:
    import pyspark

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (folder / "conf").mkdir()
    (folder / "conf" / "spark-defaults.conf").write_text(_defaults(folder, "512m"))
    environ = {
        **bare_environ(folder),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_CONF_DIR": str(folder / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }
    cluster = SparkCluster(folder, f"spark://127.0.0.1:{port}", environ)
    try:
        cluster.start_master()
        cluster.start_worker()
        cluster.start_worker()
        until(lambda: cluster.count_workers() == 2)
        yield cluster
    finally:
        cluster.stop()


def _defaults(folder: Path, memory: str) -> str:
    """An application takes a core of each of two workers, so that two applications find room."""
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "512m",
        "spark.driver.extraJavaOptions": _JAVA,
        "spark.executor.extraJavaOptions": _JAVA,
        "spark.executor.memory": memory,
        "spark.executor.cores": "1",
        "spark.cores.max": "2",
        "spark.sql.shuffle.partitions": "2",
        "spark.task.maxFailures": "2",
        "spark.local.dir": str(folder / "local"),
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def greedy(spark: SparkCluster) -> dict[str, str]:
    """What a driver needs that asks for more memory than any worker has."""
    conf = spark.folder / "greedy"
    conf.mkdir(exist_ok=True)
    (conf / "spark-defaults.conf").write_text(_defaults(spark.folder, "100g"))
    return {**spark.environ, "SPARK_CONF_DIR": str(conf)}


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """One for all tests of a module."""
    with running_spark(tmp_path_factory.mktemp("spark")) as cluster:
        yield cluster
