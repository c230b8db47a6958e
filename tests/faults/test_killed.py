"""SIGKILL at every step."""

from __future__ import annotations

import pytest

from servicemanager.errors import LeaseHeld
from support.faults import Steps
from support.faults_export import Export
from support.faults_process import Killed
from support.faults_world import patiently

COMBINATIONS = ["sqlite, folder", "mariadb, folder", "sqlite, s3", "mariadb, s3"]

import time, os
T = {}
@pytest.mark.parametrize("which", ["world", "new_world"])
@pytest.mark.parametrize("empty_world", COMBINATIONS, indirect=True)
def test_an_export_that_is_killed_at_any_step_is_finished_by_the_next_one(request, which, empty_world, workers, subtests):
    world = request.getfixturevalue(which)
    steps = Steps()
    world.begin()
    Export(world.place, steps).run()
    total = len(steps.seen)
    assert total > 60
    tt=[0]*6
    n=0
    for step in steps.seen[::int(os.environ.get("STRIDE","20"))]:
        with subtests.test(killed=str(step)):
            n+=1
            t=[time.time()]
            world.begin(); t.append(time.time())
            with pytest.raises(Killed):
                workers.start(world.place, step.number).result()
            t.append(time.time())
            world.assert_nothing_is_lost(); t.append(time.time())
            world.finish();t.append(time.time())
            world.assert_done();t.append(time.time())
            for i in range(5): tt[i]+=t[i+1]-t[i]
    print(total, n, [round(x/n,3) for x in tt])
    world.begin()
    workers.start(world.place, total + 1).result()
    world.assert_done()
