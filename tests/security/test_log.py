"""Who did what stands in the log; what nobody may know does not."""

from __future__ import annotations

import pytest

from support.web import PASSWORD, USER, basic, site

RUN = "/jobs/export/run"


@pytest.fixture
def guarded():
    with site() as found:
        yield found


def only(lines):
    (line,) = lines
    return line


def test_signing_in_and_out_and_every_act_name_the_account_and_the_address(guarded):
    cookie, token = guarded.signed_in()
    guarded.post(RUN, {"csrf": token}, Cookie=cookie)
    guarded.post("/sign-out", {"csrf": token}, Cookie=cookie)
    who = {"account": USER, "address": "127.0.0.1"}
    assert only(guarded.said("signed in")).items() >= who.items()
    assert only(guarded.said("signed out")).items() >= who.items()
    act = guarded.said("acted")[0]
    assert act.items() >= {**who, "act": f"POST {RUN}", "status": 200}.items()


def test_a_refusal_names_the_account_and_the_address(guarded):
    guarded.sign_in(password="wrong")
    line = only(guarded.said("sign-in refused"))
    assert line.items() >= {"account": USER, "address": "127.0.0.1", "reason": "wrong password"}.items()
    guarded.post(RUN, Cookie=guarded.sign_in().cookie)
    assert only(guarded.said("refused")).items() >= {"account": USER, "act": f"POST {RUN}"}.items()


def test_a_wait_is_told_once_it_begins(guarded):
    for number in range(6):
        guarded.sign_in(password=f"wrong {number}")
    assert guarded.said("sign-in refused")[-1]["reason"] == "too many attempts"


def test_nobody_fills_the_log(guarded):
    for number in range(60):
        guarded.sign_in(password=f"x{number}")
        guarded.sign_in(Origin="https://evil.example")
    assert len(guarded.said("sign-in refused")) < 20
    assert len(guarded.said("refused")) == 1


def test_no_password_and_no_token_is_ever_logged(guarded):
    cookie, token = guarded.signed_in()
    guarded.post(RUN, {"csrf": token}, Cookie=cookie)
    guarded.post(RUN, {"csrf": "wrong token"}, Cookie=cookie)
    guarded.get("/devices", Authorization=basic())
    guarded.get("/devices", Authorization=basic(password="mistaken guess"))
    guarded.sign_in(password="mistaken guess")
    guarded.sign_in("password typed as the name", PASSWORD)
    guarded.sign_in(PASSWORD, "")
    guarded.post("/sign-out", {"csrf": token}, Cookie=cookie)
    value = cookie.partition("=")[2]
    secrets = (PASSWORD, "mistaken guess", "password typed", token, "wrong token", value, basic().split()[1])
    for secret in secrets:
        assert secret not in guarded.log


def test_what_stands_in_a_query_is_not_logged(guarded):
    cookie, token = guarded.signed_in()
    guarded.post(f"{RUN}?csrf={token}", {"csrf": token}, Cookie=cookie)
    assert guarded.said("acted")
    assert token not in guarded.log


def test_a_hostile_path_is_logged_as_it_was_sent(guarded):
    cookie, token = guarded.signed_in()
    guarded.post("/jobs/%1b%5b2J%0aforged/run", {"csrf": token}, Cookie=cookie)
    assert guarded.said("acted")[0]["act"] == "POST /jobs/%1b%5b2J%0aforged/run"
