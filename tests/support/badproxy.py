"""An HTTP proxy before an S3 server that has bad luck on command.

Faults are taken in the order in which they were planned, one for each request of their method; all other requests
pass. A fault is a function of the request that it spoils.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

Fault: TypeAlias = Callable[["_Request"], None]

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "expect"}


@dataclass
class BadProxy:
    """``plan`` says what goes wrong; ``seen`` tells afterwards which requests came, such as ``PUT /bucket/key``."""

    upstream: str
    url: str = ""
    #: Pretend to be a store that has never heard of conditional puts.
    ignores_conditions: bool = False
    seen: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _planned: dict[str, deque[Fault]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, method: str, *faults: Fault) -> None:
        with self._lock:
            self._planned.setdefault(method, deque()).extend(faults)

    def take(self, method: str, path: str) -> Fault:
        with self._lock:
            self.seen.append(f"{method} {path}")
            planned = self._planned.get(method)
            return planned.popleft() if planned else pass_on


class Answer(NamedTuple):
    """Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def pass_on(request: _Request) -> None:
    request.reply(request.ask_upstream())


def answer_with(status: int, code: str) -> Fault:
    """Refuse as S3 does, and let nothing through."""

    def fault(request: _Request) -> None:
        request.body()
        text = f"<?xml version='1.0'?><Error><Code>{escape(code)}</Code><Message>on command</Message></Error>"
        request.reply(Answer(status, {"content-type": "application/xml"}, text.encode()))

    return fault


def reset_mid_upload(request: _Request) -> None:
    request.rfile.read(min(request.length, 1000))
    request.reset()


def lose_answer(request: _Request) -> None:
    """The request arrives and is obeyed; whoever sent it never hears of it."""
    request.ask_upstream()
    request.reset()


def cut_answer(request: _Request) -> None:
    """The connection ends in the middle of the body."""
    answer = request.ask_upstream()
    request.reply(answer, sent=len(answer.body) // 2)


def corrupt_answer(request: _Request) -> None:
    answer = request.ask_upstream()
    request.reply(answer._replace(body=bytes([answer.body[0] ^ 1]) + answer.body[1:]))


def delay(seconds: float) -> Fault:
    def fault(request: _Request) -> None:
        request.proxy.stopping.wait(seconds)
        pass_on(request)

    return fault


def meanwhile(deed: Callable[[], None]) -> Fault:
    """Somebody else does something while the request is on its way."""

    def fault(request: _Request) -> None:
        deed()
        pass_on(request)

    return fault


@contextmanager
def bad_proxy_before(upstream: str) -> Iterator[BadProxy]:
    proxy = BadProxy(upstream)
    handler = type("Handler", (_Request,), {"proxy": proxy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False  # so that server_close waits for them
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="bad proxy")
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    proxy: BadProxy

    @property
    def length(self) -> int:
        return int(self.headers.get("Content-Length", 0))

    def body(self) -> bytes:
        return self.rfile.read(self.length)

    def ask_upstream(self) -> Answer:
        dropped = {"if-none-match"} if self.proxy.ignores_conditions else set()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped | {"expect"}}
        connection = HTTPConnection(urlsplit(self.proxy.upstream).netloc)
        try:
            connection.request(self.command, self.path, self.body(), headers)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())
        finally:
            connection.close()

    def reply(self, answer: Answer, *, sent: int | None = None) -> None:
        has_body = self.command != "HEAD"
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name not in _HOP_BY_HOP:
                self.send_header(name, value)
        length = len(answer.body) if has_body else answer.headers.get("content-length", 0)
        self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        if has_body:
            self.wfile.write(answer.body[:sent])
        self.close_connection = True

    def reset(self) -> None:
        """Close so that the other side gets RST, not the end of a stream."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def obey(self) -> None:
        fault = self.proxy.take(self.command, self.path)
        try:
            fault(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up first

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = obey  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass
