"""Guessing passwords: how often, for whom, and what it costs."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog
from starlette.datastructures import Headers

from servicemanager.web.gate.authenticator import Authenticator, Identity, Way, no_database
from servicemanager.web.gate.origin import Origin
from servicemanager.web.gate.throttle import FREE, LONGEST_WAIT, MEMORY, Throttle
from support.web import basic, one_user, site, words

PROXY = {"proxies": ("127.0.0.1",)}


@pytest.fixture
def guarded():
    with site() as found:
        yield found


@pytest.fixture
def behind_proxy():
    with site(one_user(**PROXY)) as found:
        yield found


def test_who_guesses_has_to_wait_and_is_told_how_long(guarded):
    for _ in range(FREE):
        assert guarded.sign_in(password="wrong").status == 403
    answer = guarded.sign_in()
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert "wait 2 seconds" in words(answer.text) or "wait 1 second" in words(answer.text)


def test_basic_is_throttled_too_and_by_the_same_count(guarded):
    for number in range(FREE):
        assert guarded.get("/devices", Authorization=basic(password=f"wrong {number}")).status == 401
    assert guarded.get("/devices", Authorization=basic(password="wrong")).status == 429
    assert guarded.sign_in().status == 429


def test_many_guesses_at_once_are_no_way_around(guarded):
    def guess(number):
        return guarded.get("/devices", Authorization=basic(password=f"wrong {number}")).status

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(guess, range(24)))
    assert found.count(401) == FREE
    assert found.count(429) == 24 - FREE


def test_the_same_right_credentials_many_times_at_once_are_one_attempt(guarded):
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: guarded.get("/devices", Authorization=basic()).status, range(24)))
    assert found == [200] * 24
    assert len(guarded.said("signed in")) == 1


def test_they_are_one_attempt_too_where_one_comes_just_as_it_ends():
    gate = Authenticator(one_user(), no_database)
    headers, origin = Headers({"Authorization": basic()}), Origin("127.0.0.1", "http", is_local=True)

    async def come_just_then() -> list[Identity | None]:
        first = asyncio.create_task(gate.identify(headers, {}, origin))
        await asyncio.sleep(0)
        while gate._verifying:  # noqa: ASYNC110 -- every turn of the loop is looked at
            await asyncio.sleep(0)
        assert not first.done()
        return [await gate.identify(headers, {}, origin), await first]

    with structlog.testing.capture_logs() as logged:
        found = asyncio.run(come_just_then())
    assert [identity.way for identity in found] == [Way.BASIC] * 2
    assert [line["event"] for line in logged] == ["signed in"]


def test_a_script_that_was_let_in_is_not_locked_out_by_a_guesser_beside_it(guarded):
    assert guarded.get("/devices", Authorization=basic()).status == 200
    for number in range(FREE + 1):
        guarded.sign_in("somebody", f"wrong {number}")
    assert guarded.get("/devices", Authorization=basic()).status == 200


def test_a_session_goes_on_while_its_account_is_guessed_at(guarded):
    cookie = guarded.sign_in().cookie
    for _ in range(FREE + 1):
        guarded.sign_in(password="wrong")
    assert guarded.get("/devices", Cookie=cookie).status == 200


def test_an_account_is_throttled_from_whatever_address_the_guesses_come(behind_proxy):
    for number in range(FREE):
        assert behind_proxy.sign_in(password="wrong", X_Forwarded_For=f"192.0.2.{number}").status == 403
    assert behind_proxy.sign_in(password="wrong", X_Forwarded_For="192.0.2.99").status == 429


def test_guesses_elsewhere_do_not_lock_out_the_owner_where_she_signed_in_before(behind_proxy):
    assert behind_proxy.sign_in(X_Forwarded_For="198.51.100.1").status == 303
    for number in range(FREE + 1):
        behind_proxy.sign_in(password="wrong", X_Forwarded_For=f"192.0.2.{number}")
    assert behind_proxy.sign_in(X_Forwarded_For="198.51.100.1").status == 303


def test_an_address_is_throttled_whatever_accounts_it_tries(behind_proxy):
    for number in range(FREE):
        assert behind_proxy.sign_in(f"user{number}", "x", X_Forwarded_For="192.0.2.1").status == 403
    assert behind_proxy.sign_in(X_Forwarded_For="192.0.2.1").status == 429
    assert behind_proxy.sign_in(X_Forwarded_For="192.0.2.2").status == 303


def test_what_a_client_says_of_its_own_address_counts_only_behind_a_proxy_of_ours(guarded):
    for number in range(FREE):
        guarded.sign_in(f"user{number}", "x", X_Forwarded_For=f"192.0.2.{number}")
    assert guarded.sign_in(X_Forwarded_For="192.0.2.99").status == 429


def test_behind_a_proxy_only_the_last_address_that_is_not_its_own_counts(behind_proxy):
    for number in range(FREE):
        behind_proxy.sign_in(f"user{number}", "x", X_Forwarded_For=f"203.0.113.{number}, 192.0.2.1")
    assert behind_proxy.sign_in(X_Forwarded_For="203.0.113.99, 192.0.2.1").status == 429


@pytest.mark.parametrize("told", ["192.0.2.1", "192.0.2.1:4711", " 192.0.2.1 ", "::ffff:192.0.2.1", "x, 192.0.2.1"])
def test_an_address_is_the_same_however_a_proxy_writes_it(behind_proxy, told):
    for number in range(FREE):
        behind_proxy.sign_in(f"user{number}", "x", X_Forwarded_For="192.0.2.1")
    assert behind_proxy.sign_in(X_Forwarded_For=told).status == 429


def test_the_wait_doubles_up_to_a_bound_and_all_is_forgotten_in_the_end():
    throttle, now, waits = Throttle(), 0.0, []
    for _ in range(20):
        while wait := throttle.attempt("maria", "192.0.2.1", now):
            now += wait
            waits.append(wait)
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == LONGEST_WAIT.total_seconds()
    assert throttle.attempt("maria", "192.0.2.1", now + MEMORY.total_seconds() + 1) == 0
    assert throttle.attempt("maria", "192.0.2.1", now + MEMORY.total_seconds() + 2) == 0


def test_names_in_another_spelling_are_the_same_account_and_an_ipv6_network_one_address():
    throttle = Throttle()
    for number in range(FREE):
        throttle.attempt(" Maria"[number % 2 :].upper(), f"2001:db8::{number}", 0.0)
    assert throttle.attempt("maria", "192.0.2.1", 0.0) > 0
    assert throttle.attempt("jorge", "2001:db8::ffff", 0.0) > 0
    assert throttle.attempt("jorge", "2001:db8:0:1::", 0.0) == 0


def test_what_is_remembered_is_bounded():
    throttle = Throttle(most=100)
    for number in range(1000):
        throttle.attempt(f"user{number}", f"192.0.{number // 250}.{number % 250}", 0.0)
        throttle.forgive(f"user{number}", f"192.0.{number // 250}.{number % 250}")
    assert len(throttle) <= 100
    assert len(throttle._at_home) <= 100


def test_success_does_not_buy_an_address_further_guesses_at_others():
    throttle = Throttle()
    for _ in range(FREE):
        assert throttle.attempt("victim", "192.0.2.1", 0.0) == 0
        if throttle.attempt("own", "192.0.2.1", 0.0) == 0:
            throttle.forgive("own", "192.0.2.1")
    assert throttle.attempt("another", "192.0.2.1", 0.0) > 0


def test_hashing_is_bounded_and_the_role_is_told_meanwhile(behind_proxy):
    stop = threading.Event()

    def guess(number):
        statuses = set()
        while not stop.is_set():
            statuses.add(behind_proxy.sign_in(f"{number}", "x", X_Forwarded_For=f"192.0.{number}.1").status)
        return statuses

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(guess, number) for number in range(8)]
        try:
            assert [behind_proxy.get("/").text for _ in range(20)] == ["MASTER"] * 20
        finally:
            stop.set()
    assert {status for future in futures for status in future.result()} <= {403, 429, 503}
