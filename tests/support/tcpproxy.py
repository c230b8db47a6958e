"""A TCP proxy before a database server that has bad luck on command.

It does not speak the server's protocol: a trap waits for bytes that a client sends and then spoils that
connection, or lets something else happen first. All that no trap waits for passes.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

_CHUNK = 65_536

#: What happens to a connection when a client sends the bytes given.
Deed: TypeAlias = Callable[["Link", bytes], None]


@dataclass
class Trap:
    """Springs when a client sends `word`, if the same connection has sent `after` before."""

    word: bytes
    deed: Deed
    after: bytes = b""
    #: How often it springs.
    times: int = 1

    def is_for(self, link: Link, sent: bytes) -> bool:
        return self.times > 0 and self.word in sent and self.after in link.sent


@dataclass
class TcpProxy:
    """``traps`` says what goes wrong; ``sprung`` counts how often it did."""

    upstream: tuple[str, int]
    port: int = 0
    traps: list[Trap] = field(default_factory=list)
    sprung: int = 0
    #: Whoever comes is let in and never gets an answer.
    silent: bool = False
    #: Set when frozen connections should go on, or end.
    thaw: threading.Event = field(default_factory=threading.Event)
    _links: list[Link] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def trap(self, word: bytes, deed: Deed, *, after: bytes = b"", times: int = 1) -> None:
        self.traps.append(Trap(word, deed, after, times))

    def take(self, link: Link, sent: bytes) -> Deed:
        with self._lock:
            trap = next((trap for trap in self.traps if trap.is_for(link, sent)), None)
            if trap is None:
                return pass_on
            trap.times -= 1
            self.sprung += 1
            return trap.deed

    def accept(self, listener: socket.socket) -> None:
        """Connect whoever comes, until the listener is shut down."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._connect(client)

    def close(self) -> None:
        self.thaw.set()
        for link in self._links:
            link.cut()
            link.join()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self.upstream)
        except OSError:
            client.close()
            return
        link = Link(self, client, server)
        self._links.append(link)
        link.start()


class Link:
    """One connection: two threads, one for each direction."""

    def __init__(self, proxy: TcpProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        #: All that the client sent so far.
        self.sent = b""
        #: Bytes of answers that still may pass; None for all.
        self.allowance: int | None = None
        self.frozen = proxy.silent
        self._threads = [threading.Thread(target=way, daemon=True) for way in (self._there, self._back)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        self.client.close()
        self.server.close()

    def cut(self) -> None:
        """The connection ends for both sides."""
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _there(self) -> None:
        with suppress(OSError):
            while sent := self.client.recv(_CHUNK):
                deed = self.proxy.take(self, sent)
                self.sent += sent
                deed(self, sent)
        self.cut()

    def _back(self) -> None:
        with suppress(OSError):
            while answer := self.server.recv(_CHUNK):
                if self.frozen:
                    self.proxy.thaw.wait()
                if self.allowance is None:
                    self.client.sendall(answer)
                    continue
                self.client.sendall(answer[: self.allowance])
                self.allowance -= len(answer)
                if self.allowance <= 0:
                    break
        self.cut()


def pass_on(link: Link, sent: bytes) -> None:
    link.server.sendall(sent)


def cut(link: Link, sent: bytes) -> None:
    """The connection ends before the server hears of it."""
    del sent
    link.cut()


def lose_answer(link: Link, sent: bytes) -> None:
    """The server hears of it and obeys; whoever asked never hears of that."""
    link.allowance = 0
    pass_on(link, sent)


def cut_answer_after(size: int) -> Deed:
    """The connection ends after `size` bytes of the answer."""

    def deed(link: Link, sent: bytes) -> None:
        link.allowance = size
        pass_on(link, sent)

    return deed


def freeze(link: Link, sent: bytes) -> None:
    """Nothing comes back, and nothing ends, until the proxy's thaw."""
    link.frozen = True
    pass_on(link, sent)


def pull_the_cable(link: Link, sent: bytes) -> None:
    """From now on nothing comes back to anybody, and nothing says so."""
    link.proxy.silent = True
    for each in link.proxy._links:
        each.frozen = True
    pass_on(link, sent)


def meanwhile(happens: Callable[[], object]) -> Deed:
    """Something else happens before the server hears of it."""

    def deed(link: Link, sent: bytes) -> None:
        happens()
        pass_on(link, sent)

    return deed


@contextmanager
def tcp_proxy_before(host: str, port: int) -> Iterator[TcpProxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = TcpProxy((host, port), listener.getsockname()[1])
        thread = threading.Thread(target=proxy.accept, args=(listener,), name="tcp proxy")
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            proxy.close()
