"""A private S3 server (moto) on the loopback, and the fixtures around it.

Nothing here sees the developer's own AWS configuration. A conditional put is atomic, as on AWS.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from servicemanager.archive.s3 import S3Access
from support.badproxy import BadProxy, bad_proxy_before

SECRET = "a-secret-that-must-never-be-shown"
ACCESS_KEY = "AKIAANACCESSKEYOFATEST"


@dataclass(frozen=True)
class S3Server:
    """Where it listens, and how to get in."""

    url: str

    @property
    def access(self) -> S3Access:
        return S3Access(
            region="us-east-1",
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET,
            endpoint=self.url,
            max_attempts=2,
        )

    @cached_property
    def client(self) -> Any:
        """A bare boto3 client, for what the port can't and must not do."""
        return self.access.client()

    def make_bucket(self) -> str:
        name = f"bucket-{secrets.token_hex(6)}"
        self.client.create_bucket(Bucket=name)
        return name


@contextmanager
def running_s3_server() -> Iterator[S3Server]:
    application = _OneWriterAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="moto")
    thread.start()
    try:
        yield S3Server(f"http://127.0.0.1:{server.port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _OneWriterAtATime:
    """Moto looks for the object and stores it in two steps; between them another thread could do the same."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] != "PUT":
            return self._application(environ, start_response)
        with self._lock:
            return self._application(environ, start_response)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One server for the whole test run; tests keep apart by their buckets."""
    with running_s3_server() as server:
        yield server


@pytest.fixture
def no_ambient_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the developer's profile nor this machine's role, nor a proxy, takes part in the test."""
    for name in os.environ:
        if name.startswith("AWS_") and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def s3_access(s3_server: S3Server, no_ambient_aws: None) -> S3Access:
    return s3_server.access


@pytest.fixture
def s3_bucket(s3_server: S3Server, no_ambient_aws: None) -> str:
    """The name of a new, empty bucket."""
    return s3_server.make_bucket()


@pytest.fixture
def bad_proxy(s3_server: S3Server) -> Iterator[BadProxy]:
    """A proxy before the server that behaves until it is told otherwise."""
    with bad_proxy_before(s3_server.url) as proxy:
        yield proxy


@pytest.fixture
def proxied_access(s3_access: S3Access, bad_proxy: BadProxy) -> S3Access:
    return replace(s3_access, endpoint=bad_proxy.url)
