"""The role page: what the other instance asks, byte for byte, and fast."""

from __future__ import annotations

import socket
import time

import pytest

from servicemanager import __version__
from servicemanager.web.app import Face, make_app
from servicemanager.web.gate.gate import Gate
from servicemanager.web.server import listen, serving

#: What the Node version's mirror sends: no header Accept.
NODE = b"GET / HTTP/1.1\r\nHost: shops-b:8000\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module", params=["behind the gate", "alone"])
def port(request):
    app = make_app(Face(lambda: "SLAVE", lambda: None, lambda: None))
    listener = listen("127.0.0.1", 0)
    with serving(Gate(app, host_name="box") if request.param == "behind the gate" else app, listener):
        yield listener.getsockname()[1]


def answer(port: int, request: bytes) -> tuple[str, dict[str, str], bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        received = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, dict(line.lower().split(": ", 1) for line in lines), body


def test_the_request_of_the_node_version_gets_the_word_and_its_headers(port):
    status, headers, body = answer(port, NODE)
    assert (status, body) == ("HTTP/1.1 200 OK", b"SLAVE")
    del headers["date"]
    assert headers == {
        "server": f"servicemanager/{__version__}",
        "content-type": "text/plain; charset=utf-8",
        "content-length": "5",
        "cache-control": "no-store",
        "vary": "accept",
        "connection": "close",
    }


def test_a_head_has_the_same_headers_and_no_body(port):
    status, headers, body = answer(port, NODE.replace(b"GET", b"HEAD"))
    assert (status, headers["content-length"], body) == ("HTTP/1.1 200 OK", "5", b"")


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/json", "text/plain, text/html;q=0.5", ""])
def test_who_does_not_prefer_a_page_gets_the_word(port, accept):
    request = NODE.replace(b"Connection", f"Accept: {accept}\r\nConnection".encode())
    assert answer(port, request)[2] == b"SLAVE"


def test_other_methods_are_not_taken_for_the_question(port):
    status, _, body = answer(
        port, NODE.replace(b"GET", b"POST").replace(b"Connection", b"Content-Length: 0\r\nConnection")
    )
    assert " 200 " not in status
    assert body != b"SLAVE"


def test_a_connection_that_stays_open_is_answered_at_once_each_time(port):
    """Where a server's answer waits for more to be sent with it, each takes 40 ms."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        waits = []
        for _ in range(30):
            begin = time.perf_counter()
            connection.sendall(NODE.replace(b"close", b"keep-alive"))
            received = b""
            while not received.endswith(b"SLAVE"):
                received += connection.recv(4096)
            waits.append(time.perf_counter() - begin)
    assert sorted(waits)[len(waits) // 2] < 0.03
