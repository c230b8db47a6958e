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
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from operator import add
from pathlib import Path
from typing import Any

import pyarrow as pa

from servicemanager import errors
from servicemanager.archive.inspect import Inspected, inspect
from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.archive.parquet import FOLDER
from servicemanager.archive.s3 import S3Access
from servicemanager.archive.verify import Listed
from servicemanager.errors import (
    ConfigurationError,
    ServiceManagerError,
    SparkUnreachable,
    Stopped,
)
from servicemanager.lake.moments import Found, moments_of
from servicemanager.lake.reading import read_columns

LOCAL = "local[*]"
#: Seconds until a master is given up that does not answer.
_CONNECT = 5.0
#: Objects of one task: a second or two of work.
_TASK_OBJECTS = 16
#: What moments are counted of.
_SUMMED = pa.schema([("device", pa.string()), ("sensor", pa.int64()), ("data", pa.int64())])
_HOST = re.compile(r"([^,/:\[\]]+|\[[^\]]+\]):(\d+)")


class Cluster:
    """Spark, as far as it is needed here."""

    def __init__(self, session: Any, stop: threading.Event) -> None:
        self._session = session
        self._stop = stop

    def moments(self, access: S3Access, urls: Sequence[str]) -> Iterator[Found]:
        """Of the rows of these objects, in the order of pairs; workers sum up a few objects each.

        Raises ArchiveDamaged, ObjectMissing, BucketUnreachable and the like, as reading here would.
        """
        if not urls:
            return
        summing = partial(_sum_some, partial(open_store, access=_without_keys(access)))
        tasks = _tasks(urls)
        with self._translated():
            some = self._session.sparkContext.parallelize(urls, tasks).mapPartitions(summing)
            yield from some.reduceByKey(add, tasks).sortByKey().toLocalIterator(prefetchPartitions=True)

    def inspecting(
        self, access: S3Access, store: ObjectStore, listed: Iterable[Listed]
    ) -> Generator[tuple[Listed, Any]]:
        """Implements `archive.verify.Inspecting`: each object is read and inspected by a worker."""
        objects = list(listed)
        open_there = partial(open_store, store.url, _without_keys(access))
        keys = [key for key, _ in objects]
        with self._translated():
            context = self._session.sparkContext
            found = context.parallelize(keys, _tasks(keys)).mapPartitions(partial(_inspect_some, open_there)).collect()
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


def _without_keys(access: S3Access) -> S3Access:
    """Ours stay here."""
    return replace(access, access_key_id=None, secret_access_key=None)


def _tasks(objects: Sequence[str]) -> int:
    return max(1, -(-len(objects) // _TASK_OBJECTS))


def _sum_some(open_there: Callable[[str], ObjectStore], urls: Iterable[str]) -> Iterator[Found]:
    """Runs on a worker, which has a core for it."""
    import duckdb

    opened = cache(open_there)
    with duckdb.connect(":memory:", config={"threads": 1}) as session:
        for url in urls:
            root, folder, rest = url.rpartition(FOLDER)
            rows = read_columns(opened(root).read(folder + rest), url, _SUMMED)
            yield from moments_of(rows.to_reader(), session)


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
    """What a worker raised is a text here; it becomes that error again."""
    told = re.search(r"servicemanager\.errors\.(\w+): (.+)", text)
    kind = getattr(errors, told[1], None) if told else None
    if told and isinstance(kind, type) and issubclass(kind, ServiceManagerError):
        return kind(told[2])
    return ServiceManagerError(
        f"Spark gave up: {text.strip().splitlines()[0] if text.strip() else 'it does not say why'}"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
