"""The checker of failover must see what it is there for."""

from __future__ import annotations

from datetime import datetime

from support.fence_log import Entry, find_double_work

EXPORT = "job:export"


def passed(number: int, term: int, session: str = "1", holder: str | None = None) -> Entry:
    return Entry("pass", EXPORT, holder or f"holder of {term}", term, number, session, datetime(2026, 11, 20))


def taken(number: int, term: int) -> Entry:
    return Entry("take", EXPORT, f"holder of {term}", term, number, "9", datetime(2026, 11, 20))


def purged(part: str, number: int, session: str = "1") -> Entry:
    return Entry("purge", part, "a", 1, number, session, datetime(2026, 11, 20))


def test_terms_that_follow_each_other_are_fine():
    log = [passed(1, 1), purged("1/0/0", 1), taken(1, 2), passed(2, 2, "2"), purged("1/0/1", 2, "2"), passed(3, 2)]
    assert find_double_work(log) == []


def test_a_term_that_comes_back_is_found_though_its_line_was_written_early():
    log = [passed(3, 1), passed(1, 1), passed(2, 2)]
    assert find_double_work(log) == ["term 1 of job:export worked after term 2, at passage 3"]


def test_a_passage_after_the_takeover_is_found_though_the_new_term_did_not_work_yet():
    log = [passed(1, 1), taken(1, 2), passed(2, 1)]
    assert find_double_work(log) == ["term 1 of job:export passed after term 2 had taken over"]


def test_two_transactions_that_both_committed_the_same_passage_are_found():
    assert find_double_work([passed(1, 1), passed(1, 1)]) == ["passage 1 of job:export was made 2 times"]


def test_two_holders_of_one_term_are_found():
    log = [passed(1, 1, holder="a"), passed(2, 1, holder="b")]
    assert find_double_work(log) == ["term 1 of job:export had several holders"]


def test_work_past_the_fence_is_found_by_the_passage_of_another_session():
    log = [passed(1, 1), purged("1/0/0", 1, session="2")]
    assert find_double_work(log) == ["purge 1/0/0 was committed past the fence, at passage 1"]


def test_a_part_that_was_purged_twice_is_found():
    log = [passed(1, 1), purged("1/0/0", 1), passed(2, 2), purged("1/0/0", 2)]
    assert find_double_work(log) == ["purge 1/0/0 was done 2 times"]


def test_work_in_a_later_transaction_of_a_session_that_had_passed_once_is_found():
    log = [passed(1, 1), purged("1/0/0", 1), purged("1/1/0", 1), purged("1/0/1", 1)]
    assert find_double_work(log) == ["purge 1/0/1 was committed past the fence, at passage 1"]
