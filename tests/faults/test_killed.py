"""SIGKILL at every step: whatever an export had done by then, nothing is lost, and the next one finishes it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest

from support.faults_process import Killed
from support.faults_world import patiently

COMBINATIONS = ["sqlite, folder", "mariadb, folder", "sqlite, s3", "mariadb, s3"]


@pytest.mark.parametrize("empty_world", COMBINATIONS, indirect=True)
def test_an_export_that_is_killed_at_any_step_is_finished_by_the_next_one(old_world, workers, thinned, subtests):
    _kill_at_each_step(old_world, workers, lambda steps: thinned(steps, 10), subtests)


@pytest.mark.parametrize("empty_world", COMBINATIONS, indirect=True)
def test_a_first_export_ever_that_is_killed_at_any_step_is_finished_too(new_world, workers, thinned, subtests):
    _kill_at_each_step(new_world, workers, lambda steps: thinned(steps, 8), subtests)


def _kill_at_each_step(world, workers, choose, subtests):
    steps = world.steps()
    for step in choose(steps):
        with subtests.test(killed=str(step)):
            world.begin()
            with pytest.raises(Killed):
                workers.start(world.place, step.number).result()
            world.assert_nothing_is_lost()
            world.finish()
            world.assert_done()
    world.begin()
    workers.start(world.place, len(steps) + 1).result()
    world.assert_done()


@pytest.mark.parametrize("empty_world", COMBINATIONS, indirect=True)
def test_a_second_export_that_is_killed_too_is_finished_by_the_third(old_world, workers, thinned, subtests):
    steps = old_world.steps()
    for step in thinned(steps, 5):
        second = step.number * 37 % len(steps)
        with subtests.test(killed=str(step), and_then=second):
            old_world.begin()
            with pytest.raises(Killed):
                workers.start(old_world.place, step.number).result()
            with suppress(Killed):  # its own steps may be fewer
                patiently(partial(_kill_next, old_world, workers, second))
            old_world.assert_nothing_is_lost()
            old_world.finish()
            old_world.assert_done()


def _kill_next(world, workers, at: int) -> None:
    world.expire_lease()
    workers.start(world.place, at).result()
