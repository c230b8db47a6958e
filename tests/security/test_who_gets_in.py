"""Who gets in: anonymous clients, this machine, a configured user. Over real HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from servicemanager.config import Web
from servicemanager.web.gate.accounts import Accounts
from servicemanager.web.gate.authenticator import no_database
from servicemanager.web.gate.sessions import Sessions
from servicemanager.web.gate.shared import Shared
from support.web import HTML, PASSWORD, USER, basic, one_user, site, words

CLOSED = ["/devices", "/configuration", "/api/v1/devices", "/metrics", "/nothing", "/sign-out", "/token", "//", "/%2e"]


@pytest.fixture(scope="module")
def guarded():
    with site() as found:
        yield found


@pytest.fixture
def fresh():
    with site() as found:
        yield found


@pytest.fixture(scope="module")
def unconfigured():
    with site(Web()) as found:
        yield found


def test_the_node_versions_exact_request_gets_exactly_the_role(guarded):
    answer = guarded.raw(b"GET / HTTP/1.1\r\nHost: other-name-of-this:8000\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/plain" in head.lower()
    assert body == b"MASTER"


@pytest.mark.parametrize(("path", "text"), [("/", "MASTER"), ("/healthz", "alive\n"), ("/readyz", "ready\n")])
def test_everybody_is_told_the_role_and_how_the_instance_is(guarded, path, text):
    assert guarded.get(path, Host="any.name.at.all").text == text


def test_everybody_may_let_it_look_and_fetch_what_looks_the_same_for_all(guarded):
    assert guarded.post("/look").status == 204
    assert guarded.get("/static/app.css").status == 200


@pytest.mark.parametrize("path", CLOSED)
def test_all_else_is_closed_to_a_script(guarded, path):
    answer = guarded.get(path)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="ServiceManager", charset="UTF-8"'


@pytest.mark.parametrize("path", [path for path in CLOSED if not path.startswith(("/api", "//"))])
def test_all_else_leads_a_browser_to_sign_in_and_back(guarded, path):
    answer = guarded.get(path + "?a=1&b=%20", **HTML)
    assert answer.status == 303
    expected = path.replace("%", "%25") + "%3Fa%3D1%26b%3D%2520"
    assert answer.headers["Location"] == f"/sign-in?next={expected}"
    assert guarded.get("/", **HTML).headers["Location"] == "/sign-in"


def test_a_closed_path_of_the_api_answers_with_a_problem_document(guarded):
    answer = guarded.get("/api/v1/devices", **HTML)
    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_browsers_script_gets_no_window_that_asks_for_a_password(guarded):
    assert guarded.get("/devices", Sec_Fetch_Site="same-origin").headers["WWW-Authenticate"] is None


def test_a_user_signs_in_by_the_form_and_out_again(fresh):
    answer = fresh.sign_in(next="/devices?sort=seen")
    assert (answer.status, answer.headers["Location"]) == (303, "/devices?sort=seen")
    cookie = answer.cookie
    assert fresh.get("/devices", Cookie=cookie).text == f'"seen by {USER}"'
    token = fresh.get("/token", Cookie=cookie).text.strip('"')
    assert fresh.post("/sign-out", {"csrf": token}, Cookie=cookie).status == 303
    assert fresh.get("/devices", Cookie=cookie).status == 401


def test_a_script_signs_in_with_each_request(guarded):
    assert guarded.get("/api/v1/devices", Authorization=basic()).text == f'"seen by {USER}"'


@pytest.mark.parametrize(
    "header",
    [
        basic(password="wrong"),
        basic(password=PASSWORD + "\0"),
        basic(USER + "\0"),
        basic("nobody"),
        "Basic",
        "Basic !",
        "Basic Zm9v",
        "Bearer x",
        "Basic " + "QQ==" * 99,
    ],
)
def test_wrong_credentials_get_nobody_in(fresh, header):
    assert fresh.get("/devices", Authorization=header).status == 401


@pytest.mark.parametrize(
    ("user", "password"), [(USER, "wrong"), ("nobody", PASSWORD), ("", ""), (USER, ""), (USER.upper(), PASSWORD)]
)
def test_a_wrong_name_and_a_wrong_password_are_told_the_same(fresh, user, password):
    answer = fresh.sign_in(user, password)
    assert answer.status == 403
    assert "The name or the password is wrong." in words(answer.text)
    assert "Set-Cookie" not in answer.headers


def test_what_was_typed_comes_back_as_text(fresh):
    assert "<script>" not in fresh.sign_in('"><script>alert(1)</script>').text


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "///evil.example",
        "////evil.example/?a=1",
        "/a//evil.example",
        "/sign-out",
        "http:evil",
        "//[",
        "/.//evil.example",
        "/..//evil.example",
        "",
    ],
)
def test_nobody_is_led_to_another_site(guarded, next):  # noqa: A002
    assert guarded.sign_in(next=next).headers["Location"] == "/"


def test_who_has_a_session_is_led_past_the_form_within_the_site(guarded):
    cookie = guarded.sign_in().cookie
    assert guarded.get("/sign-in?next=//evil.example", Cookie=cookie).headers["Location"] == "/"
    assert guarded.get("/sign-in?next=/jobs", Cookie=cookie).headers["Location"] == "/jobs"


def test_with_nothing_configured_this_machine_gets_in_as_it_is(unconfigured):
    assert unconfigured.get("/devices", **HTML).text == '"seen by local"'
    assert unconfigured.get("/sign-in?next=/jobs").headers["Location"] == "/jobs"


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "X_Forwarded_For", "X_Forwarded_Host", "X_Forwarded_Anything", "X_Real_IP", "Via", "True_Client_IP"],
)
def test_with_nothing_configured_who_is_passed_on_stays_outside_and_is_told_why(unconfigured, header):
    answer = unconfigured.get("/devices", **HTML, **{header: "127.0.0.1"})
    assert answer.status == 403
    assert "WEB_USER" in words(answer.text)
    assert "only clients on this machine" in words(answer.text)


def test_with_nothing_configured_a_silent_proxy_of_nginx_gets_nobody_in(unconfigured):
    request = b"GET /devices HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert b" 403 " in unconfigured.raw(request).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "x y", "[", ""]
)
def test_a_name_that_is_not_ours_is_refused_and_the_remedy_told(unconfigured, host):
    answer = unconfigured.get("/devices", **HTML, Host=host)
    assert answer.status in {400, 421}
    assert "seen by" not in answer.text


def test_the_refusal_of_a_name_says_what_to_set(unconfigured):
    assert "WEB_HOSTS=evil.example" in unconfigured.get("/devices", Host="evil.example").text


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:1", "localhost", "LOCALHOST:8000", "[::1]:8000", "192.0.2.7", "box", "box.example.", "ops.example"],
)
def test_addresses_this_hosts_names_and_configured_ones_are_ours(host):
    with site(Web(hosts=("ops.example",))) as found:
        assert found.get("/devices", Host=host).status == 200


def test_with_a_user_configured_this_machine_has_to_sign_in_too(guarded):
    assert guarded.get("/devices").status == 401


def test_a_session_lasts_as_long_as_the_settings_say():
    with site(one_user(session=timedelta(minutes=1))) as found:
        assert "Max-Age=60;" in found.sign_in().headers["Set-Cookie"]
    begun, account = datetime.now(UTC), Accounts(one_user(), no_database).find(USER)
    shared = Shared(no_database)
    cookie = Sessions(shared, timedelta(minutes=1)).begin(account)

    def read(later):
        return Sessions(shared, timedelta(minutes=1), lambda: begun + later).read(cookie)

    assert read(timedelta(seconds=58)).name == USER
    assert read(timedelta(seconds=61)) is None


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: text + "x", lambda text: text[::-1], lambda _: "x"]
)
def test_a_changed_cookie_is_none(guarded, change):
    name, _, value = guarded.sign_in().cookie.partition("=")
    assert guarded.get("/devices", Cookie=f"{name}={change(value)}").status == 401


def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(guarded):
    header = guarded.sign_in().headers["Set-Cookie"]
    attributes = {part.strip().lower() for part in header.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert not any(attribute.startswith("domain") for attribute in attributes)


def test_a_cookie_of_another_process_without_a_database_is_none(guarded):
    with site() as other:
        cookie = other.sign_in().cookie
    assert guarded.get("/devices", Cookie=cookie).status == 401
