"""A TCP cable between two programs that can be cut, pulled out, frozen and made slow, and mended again.

It knows no protocol and loses no byte by itself: what was read is sent on, unless the cable is cut. Each cable is one
pair of programs, so that an instance can lose its database and still hear its mirror.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_CHUNK = 65_536
#: Close so that the other side gets RST, not the end of a stream.
_RESET = struct.pack("ii", 1, 0)
#: Seconds after which a thread looks whether its connection was cut while nobody took what it sends.
_GLANCE = 0.1


class Cable:
    """Listens on ``port`` of 127.0.0.1 and connects whoever comes to ``upstream``."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self._flowing = threading.Event()
        self._flowing.set()
        #: Seconds.
        self.delay = 0.0
        self._wires: set[_Wire] = set()
        self._lock = threading.Lock()
        self._listener = _bound()
        self.port: int = self._listener.getsockname()[1]
        self._thread: threading.Thread | None = None
        self._plug_in()

    @property
    def connections(self) -> int:
        """Open ones."""
        with self._lock:
            return len(self._wires)

    def cut(self) -> None:
        """All connections end with RST, on both sides; new ones are let in."""
        with self._lock:
            wires = list(self._wires)
        for wire in wires:
            wire.cut()
        for wire in wires:
            wire.join()

    def pull_out(self) -> None:
        """As `cut`, and new connections are refused until `mend`."""
        if self._thread:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._thread = None
        self.cut()

    def freeze(self) -> None:
        """Nothing arrives on either side any more, and nothing says so; whoever connects waits too."""
        self._flowing.clear()

    def slow(self, seconds: float) -> None:
        """Each piece, in each direction, arrives so much later."""
        self.delay = seconds

    def mend(self) -> None:
        """All is well again: what was held back by `freeze` arrives."""
        self.delay = 0.0
        self._flowing.set()
        self._plug_in()

    def close(self) -> None:
        self._flowing.set()
        self.pull_out()
        self._listener.close()

    def is_flowing(self, patience: float) -> bool:
        return self._flowing.wait(patience)

    def _plug_in(self) -> None:
        if self._thread is None:
            # The same socket again: it has kept its port, which nobody else could take meanwhile.
            self._listener.listen(64)
            self._thread = threading.Thread(target=self._accept, name=f"cable {self.port}", daemon=True)
            self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self.upstream, timeout=5)
                except OSError:
                    _reset(client)
                    continue
                server.settimeout(None)
                wire = _Wire(self, client, server, self._forget)
                with self._lock:  # whoever cuts meanwhile waits until it has begun
                    self._wires.add(wire)
                    wire.start()

    def _forget(self, wire: _Wire) -> None:
        with self._lock:
            self._wires.discard(wire)


class _Wire:
    """One connection: a thread for each direction; the last one to end closes both sides."""

    def __init__(
        self, cable: Cable, client: socket.socket, server: socket.socket, over: Callable[[_Wire], None]
    ) -> None:
        self._cable, self._ends, self._over = cable, (client, server), over
        self._dead = threading.Event()
        self._left = 2
        self._lock = threading.Lock()
        ways = ((client, server), (server, client))
        self._threads = [threading.Thread(target=self._carry, args=way, daemon=True) for way in ways]
        for end in self._ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(_GLANCE * 5)

    def cut(self) -> None:
        self._dead.set()
        for end in self._ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                # Wakes the thread that reads, and tells the other side nothing yet.
                end.shutdown(socket.SHUT_RD)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(_CHUNK):
                self._wait()
                self._send(target, memoryview(piece))
            self._wait()
            if not self._dead.is_set():
                target.shutdown(socket.SHUT_WR)
        except OSError:
            self.cut()  # one side was reset, and the other must not wait for it for ever
        self._leave()

    def _wait(self) -> None:
        """While the cable is frozen or slow; a cut ends it."""
        while not self._dead.is_set() and not self._cable.is_flowing(_GLANCE):
            pass
        if not self._dead.is_set():
            self._dead.wait(self._cable.delay)

    def _send(self, target: socket.socket, rest: memoryview) -> None:
        while rest and not self._dead.is_set():
            if select.select([], [target], [], _GLANCE)[1]:
                with suppress(BlockingIOError):
                    rest = rest[target.send(rest, socket.MSG_DONTWAIT) :]

    def _leave(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left:
                return
        for end in self._ends:
            end.close()
        self._over(self)


class Trunk(tuple[Cable, ...]):
    """Cables to all servers of one kind, to which the same happens."""

    __slots__ = ()

    def cut(self) -> None:
        for cable in self:
            cable.cut()

    def pull_out(self) -> None:
        for cable in self:
            cable.pull_out()

    def freeze(self) -> None:
        for cable in self:
            cable.freeze()

    def slow(self, seconds: float) -> None:
        for cable in self:
            cable.slow(seconds)

    def mend(self) -> None:
        for cable in self:
            cable.mend()

    def close(self) -> None:
        for cable in self:
            cable.close()


def _bound() -> socket.socket:
    """A socket with a port of its own, given by name: only such a one keeps it while it does not listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    end.close()


@contextmanager
def cable_to(host: str, port: int) -> Iterator[Cable]:
    cable = Cable((host, port))
    try:
        yield cable
    finally:
        cable.close()
