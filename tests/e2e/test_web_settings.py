"""The settings of the web face, as an operator sets them: a service with a user, over TLS, and what goes wrong."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import ssl
import subprocess
from contextlib import closing

import pytest

from support.certificates import Authority
from support.cli import COMMAND, bare_environ, until
from support.mariadb import free_port

PASSWORD = "a long and secret password"
NEVER = "0 0 29 2 *"
QUIET = {
    f"SCHEDULER_{job}": NEVER
    for job in ("DEVICES", "HISTORY", "STATISTICS", "EXPORT", "MESSAGES", "HOUSEKEEPING", "SELFCARE")
}
BASIC = {"Authorization": "Basic " + base64.b64encode(f"operations:{PASSWORD}".encode()).decode()}


@pytest.fixture
def authority(tmp_path):
    made = Authority(tmp_path, "ours")
    made.certify("localhost")
    return made


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    return {"WEB_USER": "operations", "WEB_PASSWORD_FILE": str(file)}


@pytest.fixture
def start(tmp_path):
    """Start the service with some variables; it is ended afterwards."""
    started = []

    def begin(**environ):
        settings = QUIET | {"PORT": str(free_port()), "ADDRESS": "127.0.0.1", "LOG_FORMAT": "json", "TZ": "UTC"}
        process = Started(tmp_path, bare_environ(tmp_path) | settings | environ)
        started.append(process)
        return process

    yield begin
    for one in started:
        one.end()


class Started:
    def __init__(self, folder, environ):
        self.port, self.log = int(environ["PORT"]), folder / "stderr.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [COMMAND, "run"], cwd=folder, env=environ, stderr=log, stdin=subprocess.DEVNULL
            )

    def get(self, path, trust=None, **headers):
        if trust:
            context = ssl.create_default_context(cafile=trust)
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=5, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with closing(connection):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def await_role(self):
        until(lambda: self.role() is not None)
        return self.role()

    def role(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/")[1]
        except OSError:
            return None

    def lines(self, event):
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def end(self):
        self.process.terminate()
        self.process.wait(20)


def test_the_user_of_the_settings_gets_in_over_tls_and_the_mirror_learns_the_role(start, secret, authority):
    service = start(
        **secret,
        WEB_CERTIFICATE=str(authority.folder / "server.pem"),
        WEB_KEY=str(authority.folder / "server.key"),
    )
    assert service.await_role() in {"MASTER", "SLAVE"}
    assert service.get("/api/v1/jobs", authority.file)[0] == 401
    assert service.get("/api/v1/jobs", authority.file, **BASIC)[0] == 200
    status, text = service.get("/", authority.file, Accept="text/html", **BASIC)
    assert status == 200
    assert "<h1" in text
    assert service.get("/configuration", authority.file, Accept="text/html")[0] == 303
    page = service.get("/configuration", authority.file, Accept="text/html", **BASIC)[1]
    assert "operations" in page
    assert PASSWORD not in page + service.log.read_text()
    assert service.get("/devices", Accept="text/html")[0] == 308


def test_with_nothing_configured_this_machine_gets_in_and_a_proxy_does_not(start):
    service = start()
    service.await_role()
    assert service.get("/", Accept="text/html")[0] == 200
    status, text = service.get("/", Accept="text/html", **{"X-Forwarded-For": "192.0.2.1"})
    assert status == 403
    assert "WEB_USER" in text


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"WEB_CERTIFICATE": "none.pem", "WEB_KEY": "none.key"}, "none.pem can't be read (No such file or directory)."),
        ({"WEB_CERTIFICATE": "none.pem"}, "web.certificate is set without web.key."),
        ({"WEB_USER": "operations"}, "web.user is set without web.password."),
    ],
)
def test_what_can_not_work_is_refused_at_the_start_in_a_sentence(start, settings, sentence):
    service = start(**settings)
    assert service.process.wait(20) == 2
    assert sentence in service.log.read_text()
    assert "Traceback" not in service.log.read_text()


def test_a_wrong_certificate_that_is_read_again_leaves_the_service_at_work(start, secret, authority, tmp_path):
    config = tmp_path / "web.yml"
    key = authority.folder / "server.key"

    def write(certificate):
        web = {"certificate": str(certificate), "key": str(key)}
        config.write_text(json.dumps({"default": {"mysql": {"host": "127.0.0.1", "user": "x", "port": 9}, "web": web}}))

    write(authority.folder / "server.pem")
    service = start(**secret, CONFIG_FILE=str(config))
    service.await_role()
    write(tmp_path / "none.pem")
    service.process.send_signal(signal.SIGHUP)
    until(lambda: service.lines("the new configuration is wrong: the old one stays in force"))
    assert service.get("/healthz", authority.file)[0] == 200
    pid = service.process.pid
    write(authority.folder / "server.pem")
    service.process.send_signal(signal.SIGHUP)
    until(lambda: service.lines("configuration read again"))
    assert service.process.pid == pid
    assert service.get("/api/v1/configuration", authority.file, **BASIC)[0] == 200
