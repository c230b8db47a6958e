"""TLS by a certificate and its key in two files; renewed ones are taken without a new start."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from servicemanager.config import Web
from servicemanager.errors import ConfigurationError

#: Seconds between two looks at the files.
_LOOK_EVERY = 5.0

_log = structlog.get_logger()


class Certificate:
    """Thread-safe. `context()` is for the next connection."""

    def __init__(self, certificate: Path, key: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigurationError where the files are missing or wrong."""
        self._files, self._clock, self._lock = (certificate, key), clock, threading.Lock()
        self._state = self._seen()
        self._context = _load(certificate, key)
        self._looked_at = clock()

    def context(self) -> ssl.SSLContext:
        """With the files as they are now; a pair that is wrong, or half written, leaves the old one in force."""
        with self._lock:
            if self._clock() - self._looked_at >= _LOOK_EVERY:
                self._looked_at = self._clock()
                self._renew()
            return self._context

    def _renew(self) -> None:
        if (seen := self._seen()) == self._state:
            return
        self._state = seen
        try:
            self._context = _load(*self._files)
        except ConfigurationError as error:
            _log.warning("the renewed certificate is wrong: the old one stays in force", mistake=str(error))
        else:
            _log.info("certificate renewed", file=str(self._files[0]))

    def _seen(self) -> list[tuple[int, int] | None]:
        return [_stamp(file) for file in self._files]


def open_certificate(web: Web) -> Certificate | None:
    """The one that the settings name; None where they name none. Raises ConfigurationError."""
    return Certificate(web.certificate, web.key) if web.certificate and web.key else None


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _load(certificate: Path, key: Path) -> ssl.SSLContext:
    for name, file in (("certificate", certificate), ("key", key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"web.{name}: {file} can't be read ({error.strerror}).") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a password of ours, OpenSSL would ask for it on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError, OSError) as error:
        raise ConfigurationError(_mistake(error, certificate, key)) from error
    return context


def _mistake(error: Exception, certificate: Path, key: Path) -> str:
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return f"web.key: {key} is not the key of the certificate in {certificate} (web.certificate)."
    if "ENCRYPTED" in key.read_text(errors="replace"):
        return f"web.key: {key} is protected by a passphrase, which nobody could type in: store it without one."
    return (
        f"web.certificate and web.key: {certificate} and {key} are no certificate and key in PEM form that can be used "
        f"({reason.replace('_', ' ').lower() or 'unknown reason'})."
    )
