"""What a page of another site can make a browser do here, and what everything here tells a browser."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from servicemanager.config import Web
from support.web import HTML, basic, site

FORM = "application/x-www-form-urlencoded"
RUN = "/jobs/export/run"
API_RUN = "/api/v1/jobs/export/runs"
OTHER_SITES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "cross-site", "Origin": "http://127.0.0.1:{port}"},
]


@pytest.fixture(scope="module")
def guarded():
    with site() as found:
        yield found


@pytest.fixture(scope="module")
def unconfigured():
    with site(Web()) as found:
        yield found


@pytest.fixture(scope="module")
def session(guarded):
    return guarded.signed_in()


def of(site, headers):
    return {name: value.format(port=site.port) for name, value in headers.items()}


def test_a_form_with_the_token_of_its_session_acts(guarded, session):
    cookie, token = session
    own = f"http://127.0.0.1:{guarded.port}"
    answer = guarded.post(RUN, {"csrf": token}, Cookie=cookie, Origin=own, Sec_Fetch_Site="same-origin")
    assert answer.text == '"started"'


def test_a_script_of_ours_sends_the_token_in_a_header(guarded, session):
    cookie, token = session
    assert guarded.post(API_RUN, Cookie=cookie, X_CSRF_Token=token).status == 200


@pytest.mark.parametrize("fields", [{}, {"csrf": ""}, {"csrf": "x"}, {"csrf": "é"}, {"Csrf": "x"}])
def test_without_the_token_nothing_is_done(guarded, session, fields):
    before = len(guarded.acts)
    assert guarded.post(RUN, fields, Cookie=session[0]).status == 403
    assert len(guarded.acts) == before


def test_the_token_of_another_session_is_none(guarded, session):
    _, other = guarded.signed_in()
    assert guarded.post(RUN, {"csrf": other}, Cookie=session[0]).status == 403


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/plain", "application/json", ""])
def test_a_token_in_anything_but_a_form_is_none(guarded, session, kind):
    cookie, token = session
    assert guarded.ask("POST", RUN, urlencode({"csrf": token}), Cookie=cookie, Content_Type=kind).status == 403


@pytest.mark.parametrize("headers", OTHER_SITES)
def test_another_site_can_not_act_even_with_the_token(guarded, session, headers):
    cookie, token = session
    before = len(guarded.acts)
    assert guarded.post(RUN, {"csrf": token}, Cookie=cookie, **of(guarded, headers)).status == 403
    assert len(guarded.acts) == before


@pytest.mark.parametrize("headers", OTHER_SITES)
@pytest.mark.parametrize("path", [RUN, API_RUN])
def test_another_site_can_not_act_by_the_browsers_basic_credentials(guarded, headers, path):
    assert guarded.post(path, Authorization=basic(), **of(guarded, headers)).status == 403


@pytest.mark.parametrize("headers", OTHER_SITES)
@pytest.mark.parametrize("path", [RUN, API_RUN])
def test_another_site_can_not_act_from_this_machines_own_browser(unconfigured, headers, path):
    assert unconfigured.post(path, **of(unconfigured, headers)).status == 403


@pytest.mark.parametrize("headers", OTHER_SITES)
def test_another_site_can_not_sign_a_browser_in_as_somebody_else(guarded, headers):
    assert guarded.sign_in(**of(guarded, headers)).status == 403


def test_a_script_needs_no_token(guarded, unconfigured):
    assert guarded.ask("POST", API_RUN, Authorization=basic()).status == 200
    assert unconfigured.ask("POST", API_RUN).status == 200


def test_forms_of_this_machine_carry_a_token_too(unconfigured):
    assert unconfigured.post(RUN).status == 403
    token = unconfigured.get("/token").text.strip('"')
    assert unconfigured.post(RUN, {"csrf": token}).status == 200


def test_an_endpoint_that_forgot_to_ask_is_guarded_all_the_same(guarded):
    before = len(guarded.acts)
    assert guarded.post("/forgotten").status == 401
    assert guarded.post("/forgotten", Cookie=guarded.sign_in().cookie).status == 403
    assert len(guarded.acts) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "POST", "FOO"])
def test_no_method_that_may_change_something_gets_in_without_a_token(guarded, session, method):
    assert guarded.ask(method, "/devices", Cookie=session[0]).status == 403


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/devices", {}),
        ("/sign-in", HTML),
        ("/nothing", HTML),
        ("/api/v1/devices", {}),
        ("/devices", {"Host": "evil.example"}),
        ("/static/app.css", {}),
        ("/devices", {"Authorization": basic()}),
    ],
)
def test_every_answer_tells_the_browser_to_trust_nobody_else(guarded, path, headers):
    found = guarded.get(path, **headers).headers
    policy = found["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert found["X-Content-Type-Options"] == "nosniff"
    assert found["Referrer-Policy"] == "same-origin"
    assert found["Cross-Origin-Opener-Policy"] == "same-origin"
    assert found["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in found["Permissions-Policy"]
    assert found["Cache-Control"] == "no-store"
    assert found["Strict-Transport-Security"] is None
    assert found["Access-Control-Allow-Origin"] is None


def test_no_preflight_of_another_site_is_granted(guarded):
    asked = {"Origin": "https://evil.example", "Access_Control_Request_Method": "DELETE"}
    answer = guarded.ask("OPTIONS", API_RUN, **asked)
    assert not any(name.lower().startswith("access-control") for name in answer.headers)
