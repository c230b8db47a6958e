"""A session on Apache Spark, and the work that is sent there.

Workers need Python with ServiceManager in it, and find their AWS credentials as every program does (environment,
profile, role): ours stay here. Nothing secret is in Spark's configuration, which shows in process lists.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from servicemanager.archive.inspect import Inspected, inspect
from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.archive.s3 import S3Access
from servicemanager.archive.verify import Listed
from servicemanager.errors import (
    ArchiveDamaged,
    ConfigurationError,
    ServiceManagerError,
    SparkUnreachable,
    Stopped,
)
from servicemanager.lake.moments import SPARK, Found, moments_sql, to_moments

LOCAL = "local[*]"
#: Seconds until a master is given up that does not answer.
_CONNECT = 5.0
#: Objects of one task: a second or two of work.
_TASK_OBJECTS = 16
_HOST = re.compile(r"([^,/:\[\]]+|\[[^\]]+\]):(\d+)")


class Cluster:
    """Spark, as far as it is needed here."""

    def __init__(self, session: Any, stop: threading.Event) -> None:
        self._session = session
        self._stop = stop

    def moments(self, urls: Sequence[str]) -> Iterator[Found]:
        """Of the rows of these objects, in the order of pairs; Spark reads them by itself."""
        if not urls:
            return
        with self._translated():
            facts = self._session.read.schema("device string, sensor bigint, data bigint")
            facts = facts.option("recursiveFileLookup", "true").parquet(*map(_hadoop_path, urls))
            facts.createOrReplaceTempView("facts")
            yield from map(to_moments, self._session.sql(moments_sql(SPARK)).toLocalIterator(prefetchPartitions=True))

    def inspecting(
        self, access: S3Access, store: ObjectStore, listed: Iterable[Listed]
    ) -> Generator[tuple[Listed, Any]]:
        """Implements `archive.verify.Inspecting`: each object is read and inspected by a worker."""
        objects = list(listed)
        open_there = partial(open_store, store.url, replace(access, access_key_id=None, secret_access_key=None))
        keys = [key for key, _ in objects]
        tasks = max(1, -(-len(keys) // _TASK_OBJECTS))
        with self._translated():
            context = self._session.sparkContext
            found = context.parallelize(keys, tasks).mapPartitions(partial(_inspect_some, open_there)).collect()
        yield from ((each, partial(_unpack, told)) for each, told in zip(objects, found, strict=True))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        over = threading.Event()
        watch = threading.Thread(target=self._cancel, args=(over,), name="cancel", daemon=True)
        watch.start()
        try:
            yield
        except (PySparkException, Py4JError) as error:
            if self._stop.is_set():
                raise Stopped("The job was interrupted.") from error
            raise _meaning(str(error)) from error
        finally:
            over.set()
            watch.join()

    def _cancel(self, over: threading.Event) -> None:
        while not over.wait(0.1):
            if self._stop.is_set():
                with suppress(Exception):  # it may be on its way out already
                    self._session.sparkContext.cancelAllJobs()


@contextmanager
def cluster(master: str | None, stop: threading.Event, patience: float = 60.0) -> Iterator[Cluster]:
    """Connect to `master`, such as spark://host:7077 or yarn; without one, to this machine's cores.

    Raises ConfigurationError where Spark or Java is missing, SparkUnreachable where the master does not answer or gives
    us no worker for `patience` seconds.
    """
    _require_spark_and_java()
    _require_answer(master or LOCAL)
    try:
        session = _session(master or LOCAL)
        try:
            _require_worker(session, master or LOCAL, stop, patience)
            yield Cluster(session, stop)
        finally:
            session.stop()
    finally:
        _end_gateway()


def _require_spark_and_java() -> None:
    try:
        import pyspark  # noqa: F401 -- is it there?
    except ImportError as error:
        raise ConfigurationError(
            "Spark is not installed here: pip install 'servicemanager[spark]', or use --engine duckdb."
        ) from error
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java", path=str(Path(home) / "bin") if home else None):
        raise ConfigurationError(
            "Spark needs Java 17, which is missing here: install it (on Debian: openjdk-17-jre-headless) or set "
            "JAVA_HOME, or use --engine duckdb."
        )


def _require_answer(master: str) -> None:
    """A master that is not there would be asked again for a minute."""
    if not master.startswith("spark://"):
        return
    hosts = _HOST.findall(master.removeprefix("spark://"))
    if not hosts:
        raise ConfigurationError(f"--master {master} is no address of a Spark master: spark://HOST:PORT.")
    failures = []
    for host, port in hosts:
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT).close()
        except OSError as error:
            failures.append(str(error))
        else:
            return
    raise SparkUnreachable(
        f"The Spark master at {master} does not answer ({failures[0]}): check --master, and that it runs."
    )


def _session(master: str) -> Any:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("servicemanager").master(master)
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.ansi.enabled": "true",  # a sum that overflows is an error, and no NULL
        "spark.sql.session.timeZone": "UTC",
        "spark.pyspark.python": os.environ.get("PYSPARK_PYTHON", sys.executable),
    }.items():
        builder = builder.config(name, value)
    heard = signal.getsignal(signal.SIGINT)
    try:
        return builder.getOrCreate()
    except (PySparkException, Py4JError, OSError) as error:
        raise ConfigurationError(
            f"Spark can't be started with the master {master} ({_first_line(error)}): check --master, Java (17 or "
            "later, JAVA_HOME) and Spark's own settings."
        ) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, heard)  # pyspark takes it for itself


def _require_worker(session: Any, master: str, stop: threading.Event, patience: float) -> None:
    """A master without a free worker would let us wait for ever."""
    if master.startswith("local"):
        return
    deadline = time.monotonic() + patience
    while session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() < 2:  # noqa: SLF001, PLR2004 -- us and one more
        if stop.wait(0.1):
            raise Stopped("The job was interrupted.")
        if time.monotonic() > deadline:
            raise SparkUnreachable(
                f"The Spark master at {master} gave us no worker within {patience:.0f} s: check that workers run, and "
                "that they have free cores and memory."
            )


def _end_gateway() -> None:
    """End the Java process, which pyspark would keep until this one ends."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway  # noqa: SLF001 -- there is no public way
    if gateway is not None:
        gateway.shutdown()
        process = getattr(gateway, "proc", None)
        if process is not None:
            process.stdin.close()  # it ends when it reads the end of that
            process.wait()
        SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001


def _hadoop_path(url: str) -> str:
    """As Hadoop spells it: S3 by its connector, a local path without escapes."""
    if url.startswith("s3://"):
        return "s3a" + url.removeprefix("s3")
    return "file:" + unquote(url.removeprefix("file://"))


def _inspect_some(open_there: Any, keys: Iterable[str]) -> Iterator[Inspected | ServiceManagerError]:
    """Runs on a worker."""
    store = open_there()
    for key in keys:
        try:
            yield inspect(store, key)
        except ServiceManagerError as error:
            error.__cause__ = None  # a driver's error may not survive the way back
            yield error


def _unpack(told: Inspected | ServiceManagerError) -> Inspected:
    if isinstance(told, ServiceManagerError):
        raise told
    return told


def _meaning(text: str) -> ServiceManagerError:
    found = re.search(r"(?:file|s3a):\S+?\.parquet", text)
    if found:
        return ArchiveDamaged(
            f"{found[0]} can't be read by Spark: servicemanager lake verify tells what is wrong with it."
        )
    return ServiceManagerError(
        f"Spark gave up: {text.strip().splitlines()[0] if text.strip() else 'it does not say why'}"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
