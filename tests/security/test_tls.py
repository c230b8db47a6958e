"""TLS by a certificate in the settings, and plain HTTP for the mirror on the same port."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from servicemanager.cluster.mirror import Mirror
from servicemanager.errors import ConfigurationError
from servicemanager.web.gate.connections import Limits
from servicemanager.web.gate.knocking import accept
from servicemanager.web.gate.tls import Certificate
from servicemanager.web.server import listen
from support.certificates import Authority
from support.web import HTML, basic, one_user, site


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture(scope="module")
def files(authority):
    authority.certify("localhost", "127.0.0.1")
    return authority.folder / "server.pem", authority.folder / "server.key"


def tls_site(files, authority, **options):
    certificate, key = files
    return site(one_user(certificate=certificate, key=key), authority=authority.file, **options)


@pytest.fixture(scope="module")
def guarded(files, authority):
    with tls_site(files, authority) as found:
        yield found


@pytest.fixture
def plain(guarded, monkeypatch):
    """The same, spoken to in the clear."""
    monkeypatch.setattr(guarded, "trust", None)
    return guarded


def test_pages_are_served_over_tls(guarded):
    answer = guarded.sign_in()
    header = answer.headers["Set-Cookie"]
    assert header.startswith("__Host-servicemanager=")
    assert "; Secure" in header
    assert guarded.get("/devices", Cookie=answer.cookie).status == 200
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


def test_the_mirror_learns_the_role_in_plain_http(plain):
    answer = plain.raw(b"GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nMASTER")
    found = Mirror("127.0.0.1", plain.port).ask()
    assert (found.role, found.is_ours) == ("MASTER", True)
    Mirror("127.0.0.1", plain.port).nudge()
    assert plain.acts[-1] == "look"
    assert plain.get("/readyz").text == "ready\n"


@pytest.mark.parametrize("path", ["/devices?a=%2F%0D", "/", "/sign-in", "/static/app.css"])
def test_a_page_asked_for_in_the_clear_leads_to_tls(plain, path):
    answer = plain.get(path, **HTML)
    assert (answer.status, answer.headers["Location"]) == (308, f"https://127.0.0.1:{plain.port}{path}")


def test_a_password_in_the_clear_is_refused_rather_than_led_on(plain):
    assert plain.get("/devices", Authorization=basic()).status == 403
    assert plain.sign_in().status == 403


def test_no_name_but_ours_is_led_to_tls(plain):
    assert plain.get("/devices", Host="evil.example", **HTML).status == 421


def test_tls_of_before_2008_is_not_spoken(guarded):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    connection = socket.create_connection(("127.0.0.1", guarded.port), timeout=5)
    with closing(connection), pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(connection)


def test_the_role_is_told_while_many_handshakes_hang(files, authority):
    limits = Limits(handshakes=100)
    with tls_site(files, authority, limits=limits) as found, ExitStack() as stack:
        for number in range(300):
            connection = stack.enter_context(closing(socket.create_connection(("127.0.0.1", found.port), timeout=5)))
            connection.sendall(b"\x16\x03\x01\x02\x00"[: number % 6])
        found.trust = None
        # Handshakes that hang, not the moment in which 300 connections are made at once: by this answer all are taken.
        assert found.get("/").text == "MASTER"
        for _ in range(10):
            begun = time.monotonic()
            assert found.get("/").text == "MASTER"
            assert time.monotonic() - begun < 0.5


def test_of_many_that_come_at_once_those_beyond_the_limit_are_closed_before_their_turn_and_the_others_at_the_end():
    async def accept_some() -> None:
        accepting = asyncio.create_task(accept(listener, None, None, Limits(handshakes=10)))
        await asyncio.sleep(0.1)
        assert [connection.recv(1) for connection in clients[:40]] == [b""] * 40
        accepting.cancel()

    with ExitStack() as stack:
        listener = stack.enter_context(closing(listen("127.0.0.1", 0)))
        clients = [
            stack.enter_context(closing(socket.create_connection(listener.getsockname(), timeout=5))) for _ in range(50)
        ]
        listener.setblocking(False)
        asyncio.run(accept_some())
        assert [connection.recv(1) for connection in clients[40:]] == [b""] * 10
    gc.collect()  # what was left open would be warned of now


@pytest.mark.parametrize("begun", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"GET /"])
def test_who_does_not_finish_a_handshake_is_cut_off(files, authority, begun):
    limits = Limits(request_seconds=0.3, look_every_seconds=0.05)
    with tls_site(files, authority, limits=limits) as found, ExitStack() as stack:
        connection = stack.enter_context(closing(socket.create_connection(("127.0.0.1", found.port), timeout=5)))
        connection.sendall(begun)
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def replace(files, others):
    for mine, theirs in zip(files, others, strict=True):
        fresh = mine.with_suffix(".new")
        fresh.write_bytes(theirs.read_bytes())
        fresh.replace(mine)


def test_a_renewed_certificate_is_taken_and_a_wrong_one_is_not(tmp_path):
    first, second = (Authority(make(tmp_path / name), name) for name in ("first", "second"))
    for authority in (first, second):
        authority.certify("localhost")
    files = [first.folder / "server.pem", first.folder / "server.key"]
    now = 0.0
    certificate = Certificate(*files, clock=lambda: now)
    before = certificate.context()
    assert certificate.context() is before
    replace(files, [second.folder / "server.pem", first.folder / "server.key"])
    now += 10
    assert certificate.context() is before
    replace(files[1:], [second.folder / "server.key"])
    assert certificate.context() is before
    now += 10
    assert certificate.context() is not before


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def encrypted(files, folder) -> Path:
    key = serialization.load_pem_private_key(files[1].read_bytes(), None)
    protection = serialization.BestAvailableEncryption(b"secret")
    found = folder / "encrypted.key"
    found.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, protection)
    )
    return found


def test_wrong_files_are_refused_in_a_sentence(files, authority, tmp_path):
    certificate, key = files
    other = Authority(make(tmp_path / "other"), "other")
    other.certify("localhost")
    empty = tmp_path / "empty"
    empty.write_text("")
    mistakes = {
        (tmp_path / "none.pem", key): "web.certificate: .*none.pem can't be read",
        (certificate, tmp_path / "none.key"): "web.key: .*none.key can't be read",
        (tmp_path, key): "can't be read",
        (certificate, other.folder / "server.key"): "is not the key of the certificate",
        (certificate, encrypted(files, tmp_path)): "protected by a passphrase",
        (empty, key): "no certificate and key in PEM form",
        (certificate, empty): "no certificate and key in PEM form",
        (key, certificate): "no certificate and key in PEM form",
    }
    for pair, words in mistakes.items():
        with pytest.raises(ConfigurationError, match=words):
            Certificate(*pair)
