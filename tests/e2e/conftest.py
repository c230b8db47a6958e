"""Clusters for the tests of failover."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from support.cluster import Cluster
from support.cluster_making import running_cluster
from support.mariadb import Server, private_server


@pytest.fixture(scope="session")
def own_server() -> Iterator[Server]:
    """One that these tests may stop and start again."""
    with private_server("--skip-log-bin") as server:
        yield server


@pytest.fixture
def make_cluster(own_server, s3_server, no_ambient_aws, tmp_path) -> Iterator[Callable[..., Cluster]]:
    """Makes one; whatever it started ends with the test."""
    with ExitStack() as stack:
        stack.callback(own_server.execute, "DROP DATABASE cluster")

        def make(**options) -> Cluster:
            own_server.execute("CREATE DATABASE cluster")
            return stack.enter_context(running_cluster(own_server, "cluster", s3_server, tmp_path, **options))

        yield make


@pytest.fixture
def cluster(request, make_cluster) -> Cluster:
    """Two instances at work: one is master, and its exports purge. The parameter is the lease, in seconds."""
    made = make_cluster(lease=getattr(request, "param", 3.0))
    made.start()
    made.keep_exporting()
    return made
