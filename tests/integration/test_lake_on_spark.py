"""The same work on Apache Spark: a standalone master and two workers, and what goes wrong with them."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from servicemanager.archive.journal import Journal
from servicemanager.archive.objects import open_store
from servicemanager.archive.proof import Stores
from servicemanager.archive.verify import Summary, Verifier, known_objects
from servicemanager.cli.lake import moments
from servicemanager.errors import ArchiveDamaged, BucketUnreachable
from servicemanager.iotdb.engine import database_uuid
from servicemanager.iotdb.upgrade import upgrade
from servicemanager.lake import facts
from servicemanager.lake.spark import cluster
from support import statistics
from support.badproxy import delay, pass_on
from support.cli import PATIENCE, bare_environ, servicemanager, start, until
from support.exports import days_ago, make_job, run
from support.iotdb import reading, sqlite_iotdb
from support.lake import Opened
from support.s3server import SECRET
from support.spark import SparkCluster, greedy, spark  # noqa: F401

FAR = 2**31 - 1


@pytest.fixture(scope="module")
def connected(spark: SparkCluster):  # noqa: F811
    """One driver for all tests in this process, which can have no second one."""
    before = dict(os.environ)
    os.environ.update(spark.environ)
    try:
        with cluster(spark.master, threading.Event()) as made:
            yield made
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def iotdb(tmp_path):
    made = sqlite_iotdb(tmp_path / "iotdb.sqlite")
    upgrade(made.database)
    made.insert(
        [
            reading(days_ago(day), device=device, sensor=sensor, data=data)
            for day in (5, 4, 3, 2, 1, 0)
            for device in ("AA:01", "aa:01", "aa:01 ", "ção;")
            for sensor in (0, 7)
            for data in (FAR, -FAR - 1, FAR, 0, day)
        ]
    )
    yield made
    made.database.close()


def spelled(found) -> dict:
    return {(pair.device.decode(), pair.sensor): (m.n, m.sum_x, m.sum_x2, m.min_x, m.max_x) for pair, m in found}


def test_the_moments_of_spark_are_those_of_the_rollups_to_the_last_bit(
    connected, iotdb, store, s3_access, s3_server, staging, tmp_path
):
    with facts(Opened(iotdb, store, tmp_path)) as lake:
        assert spelled(moments(lake, connected, s3_access)) == statistics.moments_of_rows(iotdb.rows())
        run(make_job(iotdb, store, staging, slice_rows=9))
        iotdb.insert([reading(days_ago(2), device="AA:01", sensor=7, data=5), reading(days_ago(0), device="new")])
        statistics.publish(iotdb, store)
        found = list(moments(lake, connected, s3_access))
        assert spelled(found) == statistics.moments(iotdb) == spelled(moments(lake, None, s3_access))
        assert [pair for pair, _ in found] == sorted(pair for pair, _ in found)
        key = next(store.list("facts/creation_date")).key
        url, body = store.url_of(key), store.read(key)[:-9]
        place = urlsplit(url)
        if place.scheme == "s3":
            s3_server.client.put_object(Bucket=place.netloc, Key=place.path[1:], Body=body)
        else:
            Path(place.path).write_bytes(body)
        with pytest.raises(ArchiveDamaged, match=f"{re.escape(url)} can't be read"):
            list(moments(lake, connected, s3_access))


@pytest.fixture
def bucket(s3_bucket, s3_access):
    return open_store(f"s3://{s3_bucket}/p/", s3_access)


def verified(iotdb, store, **how) -> Summary:
    stores = Stores(store, open_store)
    return Summary.of(
        Verifier(stores, database_uuid(iotdb.database), known_objects(Journal(iotdb.database)), **how).run()
    )


def test_workers_find_what_verify_finds(connected, iotdb, bucket, s3_bucket, s3_server, s3_access, staging):
    run(make_job(iotdb, bucket, staging))
    keys = [stat.key for stat in bucket.list("facts/creation_date")]
    for key, body in ((keys[0], bucket.read(keys[0])[:-9]), (keys[1], None)):
        s3_server.client.delete_object(Bucket=s3_bucket, Key=f"p/{key}")
        if body:
            bucket.put_new(key, body, {})
    bucket.put_new(keys[2].replace("-g0", "-g1"), bucket.read(keys[2]), {})
    bucket.put_new("facts/creation_date=2026-01-01/notes.txt", b"hello", {})
    there = verified(iotdb, bucket, inspecting=partial(connected.inspecting, s3_access))
    assert there.to_document() == verified(iotdb, bucket).to_document()
    assert there.verdicts == {"sound": 3, "damaged": 1, "missing": 1, "doubled": 1, "foreign": 1}


def test_a_job_survives_the_loss_of_a_worker(spark, connected, iotdb, bucket, bad_proxy, proxied_access, staging):  # noqa: F811
    for n in range(40):  # tasks for both workers
        iotdb.insert([reading(days_ago(10 + n))])
    run(make_job(iotdb, bucket, staging))
    lost, lock = threading.Event(), threading.Lock()

    def lose_a_worker(request) -> None:
        with lock:
            if not lost.is_set():
                spark.kill_worker()
                spark.start_worker()
                lost.set()
        pass_on(request)

    bad_proxy.plan("GET", *[pass_on] * 10, lose_a_worker)
    through = open_store(bucket.url, proxied_access)
    found = list(
        connected.inspecting(proxied_access, through, [(s.key, None) for s in bucket.list("facts/creation_date")])
    )
    assert [wait().fingerprint.rows for _, wait in found] == [1] * 40 + [40] * 5
    assert lost.is_set()
    until(lambda: spark.count_workers() == len(spark.processes) - 1)


def test_a_bucket_that_workers_cannot_reach_is_said(connected, iotdb, bucket, proxied_access, bad_proxy, staging):
    run(make_job(iotdb, bucket, staging))
    bad_proxy.stopping.set()
    access = type(proxied_access)(endpoint="http://127.0.0.1:1", max_attempts=1)
    found = connected.inspecting(access, bucket, [("facts/x", None)])
    ((_, wait),) = found
    with pytest.raises(BucketUnreachable, match=r"127\.0\.0\.1:1"):
        wait()


def test_the_command_works_on_the_cluster_and_shows_no_secret(spark, site):  # noqa: F811
    rows = [reading(days_ago(day), data=n) for day in (2, 1) for n in range(9)]
    site.iotdb.insert(rows)
    site.complete(rows)
    arguments = ["lake", "verify", "--engine", "spark", "--master", spark.master, "--json"]
    running = start(*arguments, environ=spark.environ | site.environ, folder=site.folder)
    seen: set[str] = set()

    while running.process.poll() is None:
        seen.update(command_lines())
        time.sleep(0.2)
    ran = running.wait()
    assert (ran.status, ran.document["verdicts"]) == (0, {"sound": 2}), ran.stderr
    assert any("CoarseGrainedExecutorBackend" in line for line in seen)
    for secret in (SECRET, site.environ["MYSQL_PASSWORD"]):
        assert not [line for line in seen if secret in line]


def command_lines() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return lines


def test_ctrl_c_ends_a_job_in_a_sentence_and_leaves_no_process(spark, site, bad_proxy):  # noqa: F811
    rows = [reading(days_ago(1))]
    site.iotdb.insert(rows)
    site.complete(rows)
    bad_proxy.plan("GET", *[delay(PATIENCE)] * 99)  # workers wait for the bucket
    environ = spark.environ | site.environ | {"AWS_ENDPOINT": bad_proxy.url}
    arguments = ["lake", "statistics", "--engine", "spark", "--master", "local[1]"]
    running = start(*arguments, environ=environ, folder=site.folder, wrapper=["setsid"])
    until(lambda: any(".parquet" in request for request in bad_proxy.seen))
    assert "java" in session_of(running.process.pid)
    os.killpg(running.process.pid, signal.SIGINT)  # as a terminal does: the job's processes get it, too
    ran = running.wait()
    assert (ran.status, ran.sentence) == (1, "servicemanager: The job was interrupted.")
    assert "java" not in session_of(running.process.pid)
    until(lambda: not session_of(running.process.pid))


def session_of(leader: int) -> list[str]:
    """The names of the processes that run in it."""
    names = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if int(rest.split()[3]) == leader:
            names.append(name)
    return names


NO_WORKER = """
import sys, threading
from servicemanager.lake.spark import cluster
from servicemanager.errors import SparkUnreachable
try:
    with cluster(sys.argv[1], threading.Event(), patience=2.0):
        print("taken")
except SparkUnreachable as error:
    print(error)
"""


def test_a_master_without_a_worker_for_us_is_given_up(spark):  # noqa: F811
    ran = subprocess.run(
        [sys.executable, "-c", NO_WORKER, spark.master], env=greedy(spark), capture_output=True, text=True, timeout=60
    )
    assert "gave us no worker within 2 s" in ran.stdout, ran.stderr


def test_a_master_that_is_not_there_ends_with_4(tmp_path):
    arguments = ["lake", "verify", "--engine", "spark", "--master", "spark://127.0.0.1:1"]
    ran = servicemanager(*arguments, environ={}, folder=tmp_path)
    assert (ran.status, "spark://127.0.0.1:1 does not answer" in ran.sentence) == (4, True)


def test_without_java_or_spark_the_remedy_is_said(tmp_path):
    arguments = ["lake", "statistics", "--engine", "spark"]
    ran = servicemanager(*arguments, environ={"PATH": str(tmp_path)}, folder=tmp_path)
    assert (ran.status, "openjdk-17-jre-headless" in ran.sentence) == (2, True)
    program = "import sys; sys.modules['pyspark'] = None; from servicemanager.__main__ import main; main()"
    hidden = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=bare_environ(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (hidden.returncode, "pip install 'servicemanager[spark]'" in hidden.stderr) == (2, True)
