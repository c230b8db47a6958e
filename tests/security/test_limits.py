"""What a client can take of us: size, time, connections. The role is told whatever they do."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress

import pytest

from servicemanager.web.gate.connections import Limits
from support.cli import until
from support.web import basic, site

KIB = 1024
#: Much shorter than in earnest, so that a test need not wait.
SHORT = Limits(connections=300, request_seconds=0.4, read_seconds=0.4, look_every_seconds=0.05)
ROLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST /look HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"]


@pytest.fixture(scope="module")
def guarded():
    with site() as found:
        yield found


@pytest.fixture(scope="module")
def impatient():
    with site(limits=SHORT) as found:
        yield found


def open_to(found) -> socket.socket:
    return socket.create_connection(("127.0.0.1", found.port), timeout=5)


def is_cut_off(connection) -> bool:
    try:
        with suppress(ConnectionResetError):
            while connection.recv(65536):
                pass
    except TimeoutError:
        return False
    return True


def test_a_request_of_64_kib_is_taken_and_one_of_more_is_refused(guarded):
    sent = {"Authorization": basic(), "Content-Type": "application/json"}
    assert guarded.ask("POST", "/forgotten", b"x" * 64 * KIB, **sent).status == 200
    assert guarded.ask("POST", "/forgotten", b"x" * (64 * KIB + 1), **sent).status == 413


def test_a_request_that_does_not_say_how_long_it_is_is_counted(guarded):
    head = (
        f"POST /forgotten HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic()}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
    with closing(open_to(guarded)) as connection:
        connection.sendall(head.encode() + chunk * 9 + b"0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_nobody_reads_what_a_stranger_sends_before_he_is_refused(guarded):
    assert guarded.ask("POST", "/sign-in", b"x" * (64 * KIB + 1)).status == 413
    assert guarded.ask("GET", "/devices", b"x" * (64 * KIB + 1)).status == 413


@pytest.mark.parametrize(
    "head", ["GET /" + "x" * 20_000, "GET / HTTP/1.1\r\nX: " + "x" * 20_000, "GET / HTTP/1.1\r\n" + "X: y\r\n" * 4000]
)
def test_headers_are_bounded(guarded, head):
    assert guarded.raw(head.encode()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("begun", SLOW)
def test_who_does_not_finish_a_request_is_cut_off(impatient, begun):
    with closing(open_to(impatient)) as connection:
        connection.sendall(begun)
        assert is_cut_off(connection)


@pytest.mark.parametrize("first", [b"", ROLE], ids=["at once", "after a request"])
def test_a_byte_now_and_then_does_not_buy_time(impatient, first):
    with closing(open_to(impatient)) as connection:
        connection.settimeout(0.05)
        connection.sendall(first)
        begun = time.monotonic()
        while time.monotonic() - begun < 5:
            try:
                connection.sendall(b"G")
                if connection.recv(1000) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:
                return
        pytest.fail("It was never cut off.")


def test_who_never_reads_is_cut_off():
    with site(limits=SHORT) as impatient, closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", impatient.port))
        request = f"GET /large HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic()}\r\n\r\n"
        connection.sendall(request.encode())
        assert connection.recv(15).startswith(b"HTTP/1.1 200 ")
        until(lambda: impatient.said("connections cut off"))
        received = 0
        with suppress(ConnectionResetError):
            while piece := connection.recv(1_000_000):
                received += len(piece)
        assert received < 20_000_000


def test_who_reads_slowly_but_reads_gets_all(impatient):
    request = f"GET /large HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic()}\r\nConnection: close\r\n\r\n"
    with closing(open_to(impatient)) as connection:
        connection.sendall(request.encode())
        received, begun = 0, time.monotonic()
        while piece := connection.recv(1_000_000):
            received += len(piece)
            while time.monotonic() - begun < received / 20_000_000 * 1.5:
                time.sleep(0.01)
    assert received > 20_000_000


def test_the_role_is_told_at_once_with_200_slow_connections_open(guarded):
    with ExitStack() as stack:
        for number in range(200):
            connection = stack.enter_context(closing(open_to(guarded)))
            connection.sendall(SLOW[number % len(SLOW)])
        for _ in range(20):
            begun = time.monotonic()
            assert guarded.get("/").text == "MASTER"
            assert time.monotonic() - begun < 0.5


def test_beyond_the_most_connections_the_longest_waiting_make_room():
    with site(limits=Limits(connections=50)) as found, ExitStack() as stack:
        slow = [stack.enter_context(closing(open_to(found))) for _ in range(80)]
        assert found.get("/").text == "MASTER"
        for connection in slow[:31]:
            assert is_cut_off(connection)
        slow[-1].settimeout(0.1)
        assert not is_cut_off(slow[-1])


def test_the_role_is_told_while_large_answers_are_not_read(guarded):
    request = f"GET /large HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic()}\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(closing(open_to(guarded))).sendall(request)
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda _: guarded.get("/").text, range(40))) == ["MASTER"] * 40


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /devices HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"GET /devices HTTP/1.1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"POST /look HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_no_malformed_request_gets_more_than_a_refusal(guarded, request_):
    statuses = [line.split()[1] for line in guarded.raw(request_).split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert statuses
    assert statuses[-1].startswith(b"4")


def test_a_websocket_is_not_spoken(guarded):
    asked = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Key": "x" * 24,
        "Sec_WebSocket_Version": "13",
    }
    assert guarded.get("/devices", **asked).status == 401
