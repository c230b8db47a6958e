"""The web server, in a thread of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from servicemanager.errors import ServiceManagerError


def listen(address: str, port: int) -> socket.socket:
    """A socket that nobody else has. Raises ServiceManagerError with the remedy."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
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
def serving(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Answer on `listener` as long as the context lasts."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="web", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(3)
        listener.close()
