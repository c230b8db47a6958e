"""The web server, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from servicemanager.errors import ServiceManagerError
from servicemanager.web.gate.connections import LIMITS, Connections, Limits, protocol_for
from servicemanager.web.gate.knocking import accept
from servicemanager.web.gate.tls import Certificate

#: Bytes of a request's line and headers.
_LONGEST_HEAD = 16 * 1024


def listen(address: str, port: int) -> socket.socket:
    """A socket that nobody else has. Raises ServiceManagerError with the remedy."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # The protocol by name: only then does asyncio send what it has at once, instead of waiting 40 ms for more.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
    except PermissionError as error:
        listener.close()
        raise ServiceManagerError(
            f"Port {port} may not be used by this account ({error.strerror}): set port (PORT) to one from 1024 on, or "
            "give the service the capability CAP_NET_BIND_SERVICE, as the systemd unit does."
        ) from error
    except OSError as error:
        listener.close()
        raise ServiceManagerError(
            f"{address}:{port} can't be listened on ({error.strerror or error}): is another instance running? "
            "Otherwise set port (PORT) or address (ADDRESS)."
        ) from error
    return listener


@contextmanager
def serving(
    app: ASGIApp, listener: socket.socket, certificate: Certificate | None = None, limits: Limits = LIMITS
) -> Iterator[None]:
    """Answer on `listener` as long as the context lasts; with a certificate over TLS, and to plain HTTP as well."""
    # Every malformed request would be a line in the log; what the application does wrong it tells itself.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    door = Connections(limits)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=protocol_for(door),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, door, listener, certificate)
    thread = threading.Thread(target=server.run, name="web", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(3)
        listener.close()


class _Server(uvicorn.Server):
    """It lets connections in by itself, and watches them."""

    def __init__(
        self, config: uvicorn.Config, door: Connections, listener: socket.socket, certificate: Certificate | None
    ) -> None:
        super().__init__(config)
        self._door, self._listener, self._certificate = door, listener, certificate
        self._tasks: list[asyncio.Task[None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 -- ours is the only one
        await super().startup(sockets=[] if self._certificate else [self._listener])
        self._tasks.append(asyncio.create_task(self._door.watch()))
        if self._certificate:
            self._listener.setblocking(False)
            self._tasks.append(
                asyncio.create_task(accept(self._listener, self._certificate, self._protocol, self._door.limits))
            )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._tasks:
            task.cancel()
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        make = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state={})  # type: ignore[call-arg]
