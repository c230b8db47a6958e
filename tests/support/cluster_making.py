"""Makes clusters: schema, triggers, bucket, and instances with their cables."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from servicemanager.archive.objects import ObjectStore, open_store
from servicemanager.iotdb.upgrade import upgrade

from .cable import Cable, Trunk
from .cluster import Cluster
from .fence_log import watch_fences
from .gateway import Gateway, Reader
from .instance import Instance
from .iotdb import facts_ddl, mysql_iotdb
from .mariadb import Server, free_port
from .s3server import ACCESS_KEY, SECRET, S3Server
from .witness import Witness

_STATISTICS = """CREATE TABLE DeviceStatistics (device VARCHAR(20) NOT NULL, sensor INT NOT NULL,
  average FLOAT NOT NULL, deviation FLOAT NOT NULL, error FLOAT NOT NULL,
  creationDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE=InnoDB"""
#: A minute is the finest that cron knows; the other jobs have no part in it.
_SCHEDULE = {
    "SCHEDULER_EXPORT": "* * * * *",
    "SCHEDULER_STATISTICS": "* * * * *",
    **{f"SCHEDULER_{job}": "0 0 29 2 *" for job in ("DEVICES", "HISTORY", "MESSAGES", "HOUSEKEEPING", "SELFCARE")},
}


@contextmanager
def running_cluster(
    server: Server, schema: str, s3: S3Server, folder: Path, *, count: int = 2, lease: float = 3.0, **options
) -> Iterator[Cluster]:
    """Everything but the instances runs; `options` are those of `Gateway`."""
    store = _prepare(server, schema, s3)
    instances = _make_instances(server, schema, s3, store, folder, count, lease)
    threads = Gateway(server, schema, **options), Reader(server, schema), Witness(instances)
    cluster = Cluster(server, schema, store, timedelta(seconds=lease), instances, *threads)
    try:
        for thread in threads:
            thread.start()
        yield cluster
    finally:
        cluster.close()


def _prepare(server: Server, schema: str, s3: S3Server) -> ObjectStore:
    """Tables, triggers and a bucket."""
    iotdb = mysql_iotdb(server, schema, facts_ddl())
    server.execute(_STATISTICS, database=schema)
    upgrade(iotdb.database)
    iotdb.database.close()
    watch_fences(server, schema)
    return open_store(f"s3://{s3.make_bucket()}/passagem/", s3.access)


def _make_instances(
    server: Server, schema: str, s3: S3Server, store: ObjectStore, folder: Path, count: int, lease: float
) -> list[Instance]:
    """Each has the next one for its mirror."""
    ports = [free_port() for _ in range(count)]
    parts = urlsplit(s3.url)
    made = []
    for number, port in enumerate(ports):
        home = folder / f"instance {number}"
        (home / "staging").mkdir(parents=True)
        # Of several nodes each instance prefers another one, so that they see each other's work as late as can be.
        addresses = deque(server.addresses)
        addresses.rotate(-number)
        databases = Trunk(map(Cable, addresses))
        buckets, mirror = Cable((parts.hostname, parts.port)), Cable(("127.0.0.1", ports[(number + 1) % count]))
        environ = {
            **_SCHEDULE,
            "MYSQL_HOST": ",".join(f"127.0.0.1:{cable.port}" for cable in databases),
            "MYSQL_USER": "root",
            "MYSQL_DATABASE": schema,
            "PORT": str(port),
            "ADDRESS": "127.0.0.1",
            "MIRROR": f"127.0.0.1:{mirror.port}",
            "EXPORT_BUCKET": urlsplit(store.url).netloc,
            "EXPORT_REMOTEDIRECTORY": "passagem",
            "EXPORT_LOCALDIRECTORY": str(home / "staging"),
            "AWS_ENDPOINT": f"http://127.0.0.1:{buckets.port}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "STATISTICS_DAYS": "400",
            "CLUSTER_LEASE": f"{lease:g}s",
            "LOG_FORMAT": "json",
        }
        made.append(Instance(f"instance {number}", port, home, environ, databases, buckets, mirror))
    return made
