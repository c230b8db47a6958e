"""TLS and plain HTTP on the same port, told apart by a connection's first byte.

The Node version's mirror can ask for our role in plain HTTP only. A TLS connection begins with a handshake record
(22, RFC 8446, 5.1), an HTTP request with a letter.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial

import structlog

from servicemanager.web.gate.connections import Limits
from servicemanager.web.gate.tls import Certificate

_HANDSHAKE = b"\x16"
_PAUSE = 0.5

#: Makes what speaks HTTP on a connection.
Protocol = Callable[[], asyncio.Protocol]

_log = structlog.get_logger()


async def accept(listener: socket.socket, certificate: Certificate, protocol: Protocol, limits: Limits) -> None:
    """Until cancelled. Of those who have not said yet what they speak there are only so many; the oldest go first."""
    loop = asyncio.get_running_loop()
    knocking: dict[asyncio.Task[None], None] = {}
    try:
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                _log.warning("no connection can be accepted", error=str(error))
                await asyncio.sleep(_PAUSE)
                continue
            task = loop.create_task(_admit(connection, certificate, protocol, limits.request_seconds))
            knocking[task] = None
            task.add_done_callback(partial(_end, knocking, connection))
            if len(knocking) > limits.handshakes:
                # Out of the list at once: of many that come together the next one is to send away another.
                oldest = next(iter(knocking))
                del knocking[oldest]
                oldest.cancel()
    finally:
        for task in list(knocking):
            task.cancel()


async def _admit(connection: socket.socket, certificate: Certificate, protocol: Protocol, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            first = await _first_byte(connection)
            if first == _HANDSHAKE:
                # Its files are read again every few seconds at most.
                await loop.connect_accepted_socket(protocol, connection, ssl=certificate.context())
            elif first:
                await loop.connect_accepted_socket(protocol, connection)
            else:
                connection.close()
    except OSError:  # it went away, was too slow, or speaks no TLS that we do
        connection.close()


def _end(knocking: dict[asyncio.Task[None], None], connection: socket.socket, done: asyncio.Task[None]) -> None:
    """Here and not in the task, for one that is cancelled before its turn never begins."""
    knocking.pop(done, None)
    if done.cancelled():
        connection.close()


async def _first_byte(connection: socket.socket) -> bytes:
    """Looked at, but left in place; empty where the client went away."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    connection.setblocking(False)
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    return connection.recv(1, socket.MSG_PEEK)
