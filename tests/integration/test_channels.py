"""The channels against real servers: SNS's API, a webhook, and every refusal that they can answer with."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from servicemanager.alerts.apprise import open_channels
from servicemanager.alerts.console import Console
from servicemanager.alerts.heartbeat import beat
from servicemanager.alerts.sns import Sns
from servicemanager.errors import ChannelRefused, ConfigurationError, NotDelivered
from support.mariadb import free_port
from support.s3server import SECRET
from support.topic import REGION, access


class Answering(ThreadingHTTPServer):
    """Answers every request with one status and body, and keeps what it was asked."""

    status, body = 200, b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        self.server.asked.append((self.command, self.path, body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[Answering]:
    made = Answering()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_message_arrives_at_a_subscriber_of_the_topic_as_it_was_sent(topic):
    sns, received = topic
    body = "shop 1207: all 6 boards silent\n  \N{PILE OF POO} & <b>: last heard 14:02"
    assert sns.send("1 shop down (#1)", body).startswith("SNS took it as message ")
    assert received() == [("1 shop down (#1)", body)]


def test_a_topic_that_does_not_exist_is_a_refusal_with_its_remedy(topic):
    sns, _ = topic
    with pytest.raises(ChannelRefused, match=r"the topic does not exist: correct aws\.topicArn"):
        Sns(sns.topic + "-of-others", sns.access).send("a", "b")


def error(code: str) -> bytes:
    return f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error></ErrorResponse>".encode()


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "AuthorizationError", ChannelRefused, "allow sns:Publish on the topic"),
        (403, "InvalidClientTokenId", ChannelRefused, "aws.accessKeyId"),
        (403, "SignatureDoesNotMatch", ChannelRefused, "aws.secretAccessKey"),
        (404, "NotFound", ChannelRefused, "aws.topicArn"),
        (400, "InvalidParameter", ChannelRefused, "aws.topicArn"),
        (400, "Throttling", NotDelivered, "tried again"),
        (429, "ThrottledException", NotDelivered, "tried again"),
        (500, "InternalError", NotDelivered, "tried again"),
        (503, "ServiceUnavailable", NotDelivered, "tried again"),
    ],
)
def test_what_sns_answers_is_told_apart_into_refusals_and_what_may_pass(
    server, no_ambient_aws, status, code, kind, words
):
    server.status, server.body = status, error(code)
    with pytest.raises(NotDelivered, match=words) as raised:
        Sns(f"arn:aws:sns:{REGION}:999999999:t", access(server.url)).send("a", "b")
    assert type(raised.value) is kind
    assert SECRET not in str(raised.value)
    assert len(server.asked) == 1


def test_an_sns_that_is_not_there_may_come_back(no_ambient_aws):
    with pytest.raises(NotDelivered, match="tried again") as raised:
        Sns(f"arn:aws:sns:{REGION}:999999999:t", access(f"http://127.0.0.1:{free_port()}")).send("a", "b")
    assert raised.value.retryable


def test_a_webhook_gets_subject_and_body(server):
    (channel,) = open_channels([f"json://127.0.0.1:{server.server_port}/s3cret"])
    channel.send("1 shop down (#1)", "line 1\n<b>%s</b>")
    ((method, path, body),) = server.asked
    document = json.loads(body)
    assert (method, path) == ("POST", "/s3cret")
    assert (document["title"], document["message"]) == ("1 shop down (#1)", "line 1\n<b>%s</b>")
    assert "s3cret" not in channel.name + repr(channel)


@pytest.mark.parametrize(("status", "kind"), [(403, ChannelRefused), (429, NotDelivered), (500, NotDelivered)])
def test_a_webhook_that_fails_is_told_apart_by_its_status(server, status, kind, capfd):
    server.status = status
    (channel,) = open_channels([f"json://127.0.0.1:{server.server_port}/s3cret"])
    with pytest.raises(NotDelivered, match=f"HTTP status {status}") as raised:
        channel.send("a", "b")
    assert type(raised.value) is kind
    assert "s3cret" not in str(raised.value) + "".join(capfd.readouterr())


def test_urls_that_no_service_understands_are_found_at_the_start_all_at_once_and_never_shown(capfd):
    with pytest.raises(ConfigurationError) as raised:
        open_channels(["nonsense://s3cret", "json://127.0.0.1/fine", "other://s3cret"])
    assert [mistake.split(" is ")[0] for mistake in raised.value.mistakes] == [
        "notify.urls: URL 1",
        "notify.urls: URL 3",
    ]
    assert "s3cret" not in str(raised.value) + "".join(capfd.readouterr())


def test_the_console_can_not_be_steered_by_a_message():
    stream = io.StringIO()
    Console(stream).send("a\x1b[31m\nb", "c\x07\nd")
    assert stream.getvalue() == "\n== a\\x1b[31m\\nb\nc\\x07\nd\n"


def test_the_heartbeat_is_a_get_and_its_failure_does_not_show_the_url(server):
    beat(server.url + "/s3cret")
    assert server.asked == [("GET", "/s3cret", b"")]
    server.status = 500
    with pytest.raises(NotDelivered, match=r"heartbeat \(notify.heartbeatUrl\)") as raised:
        beat(server.url + "/s3cret")
    assert "s3cret" not in str(raised.value)
