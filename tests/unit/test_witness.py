"""Two masters at once must be seen, and one after the other must not be taken for it."""

from __future__ import annotations

from support.witness import Told, find_two_masters


def told(name: str, *answers: tuple[float, str | None]) -> list[Told]:
    """Answers that each took half a second."""
    return [Told(at, at + 0.5, name, role) for at, role in answers]


def test_one_that_says_so_between_two_answers_of_another_is_a_second_master():
    answers = told("a", (1, "MASTER"), (3, "MASTER")) + told("b", (2, "MASTER"))
    assert find_two_masters(answers) == ["b said MASTER while a was"]


def test_an_answer_that_was_frozen_on_its_way_proves_nothing():
    answers = [*told("a", (1, "MASTER")), Told(2, 9, "a", "MASTER"), *told("b", (4, "MASTER"), (8, "MASTER"))]
    assert find_two_masters(answers) == []


def test_whoever_wakes_up_and_still_says_so_is_found():
    silent = told("a", (1, "MASTER"), (2, None), (6, "MASTER"), (7, "SLAVE"))
    answers = silent + told("b", (4, "MASTER"), (8, "MASTER"))
    assert find_two_masters(answers) == ["a said MASTER while b was"]


def test_one_after_the_other_is_fine():
    answers = told("a", (1, "MASTER"), (2, "SLAVE"), (5, "MASTER")) + told("b", (3, "MASTER"), (4, "SLAVE"))
    assert find_two_masters(answers) == []
