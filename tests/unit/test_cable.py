"""The cable that the tests of failover cut, freeze and slow."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from support.cable import Cable, cable_to

PATIENCE = 5.0
#: Longer than anything takes that arrives at all.
MOMENT = 0.2


@pytest.fixture
def echo_links() -> list[socket.socket]:
    """The connections that came to the server."""
    return []


@pytest.fixture
def echo(echo_links) -> Iterator[tuple[str, int]]:
    """A server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, echo_links), daemon=True).start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, links: list[socket.socket]) -> None:
    with suppress(OSError):
        while True:
            links.append(listener.accept()[0])
            threading.Thread(target=_echo, args=(links[-1],), daemon=True).start()


def _echo(link: socket.socket) -> None:
    with link, suppress(OSError):
        while piece := link.recv(65_536):
            link.sendall(piece)


@pytest.fixture
def cable(echo) -> Iterator[Cable]:
    with cable_to(*echo) as made:
        yield made


def connect(cable: Cable) -> socket.socket:
    return socket.create_connection(("127.0.0.1", cable.port), timeout=PATIENCE)


def ask(link: socket.socket, words: bytes = b"hello") -> bytes:
    link.sendall(words)
    return link.recv(len(words))


def test_what_is_sent_arrives_and_comes_back(cable):
    with connect(cable) as link:
        assert ask(link) == b"hello"


def test_more_than_any_buffer_holds_arrives_whole(cable):
    sent = bytes(range(256)) * 40_000
    with connect(cable) as link:
        thread = threading.Thread(target=link.sendall, args=(sent,))
        thread.start()
        received = b""
        while len(received) < len(sent):
            received += link.recv(1 << 20)
        thread.join()
    assert received == sent


def test_the_end_of_one_side_reaches_the_other(cable):
    with connect(cable) as link:
        assert ask(link) == b"hello"
        link.shutdown(socket.SHUT_WR)
        assert link.recv(1) == b""
    deadline = time.monotonic() + PATIENCE
    while cable.connections:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_reset_of_one_side_reaches_the_other(cable, echo_links):
    with connect(cable) as link:
        assert ask(link) == b"hello"
        (theirs,) = echo_links
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.shutdown(socket.SHUT_RD)  # ends the echo, which closes it
        with pytest.raises(ConnectionResetError):
            link.recv(1)


def test_a_cut_resets_what_is_connected_and_lets_new_ones_in(cable):
    with connect(cable) as link, connect(cable) as other:
        assert ask(link) == ask(other) == b"hello"
        cable.cut()
        for end in (link, other):
            with pytest.raises(ConnectionResetError):
                end.recv(1)
        assert cable.connections == 0
    with connect(cable) as link:
        assert ask(link) == b"hello"


def test_a_cut_also_resets_a_connection_that_nobody_reads(cable):
    with connect(cable) as link:
        link.settimeout(MOMENT)
        with pytest.raises(TimeoutError):
            while True:  # the echo comes back and fills every buffer on the way
                link.send(bytes(65_536))
        cable.cut()
        assert cable.connections == 0
        with pytest.raises(ConnectionResetError):
            while link.recv(1 << 20):
                pass


def test_a_cable_that_is_pulled_out_refuses_until_it_is_mended(cable):
    with connect(cable) as link:
        assert ask(link) == b"hello"
        cable.pull_out()
        with pytest.raises(ConnectionResetError):
            link.recv(1)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            connect(cable)
    cable.mend()
    with connect(cable) as link:
        assert ask(link) == b"hello"


def test_a_frozen_cable_carries_nothing_and_loses_nothing(cable):
    with connect(cable) as link:
        assert ask(link) == b"hello"
        cable.freeze()
        link.sendall(b"later")
        with connect(cable) as new:
            new.sendall(b"too")
            for end in (link, new):
                end.settimeout(MOMENT)
                with pytest.raises(TimeoutError):
                    end.recv(5)
                end.settimeout(PATIENCE)
            cable.mend()
            assert (link.recv(5), new.recv(3)) == (b"later", b"too")


def test_a_frozen_cable_can_be_cut(cable):
    with connect(cable) as link:
        assert ask(link) == b"hello"
        cable.freeze()
        link.sendall(b"never")
        cable.cut()
        with pytest.raises(ConnectionResetError):
            link.recv(1)


def test_a_slow_cable_takes_its_time_both_ways(cable):
    with connect(cable) as link:
        cable.slow(MOMENT)
        begin = time.monotonic()
        assert ask(link) == b"hello"
        assert time.monotonic() - begin >= 2 * MOMENT
        cable.mend()
        begin = time.monotonic()
        assert ask(link) == b"hello"
        assert time.monotonic() - begin < MOMENT


def test_whoever_comes_while_the_other_side_is_down_is_reset(cable):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        cable.upstream = nobody.getsockname()
        with pytest.raises(ConnectionResetError), connect(cable) as link:
            link.recv(1)
