import time, collections
import pytest
from support.faults import Steps
from support.faults_export import Export

@pytest.mark.parametrize("empty_world", ["sqlite, folder", "sqlite, s3", "mariadb, folder", "mariadb, s3"], indirect=True)
@pytest.mark.parametrize("which", ["world","new_world"])
def test_probe(request, empty_world, which, impatient):
    world = request.getfixturevalue(which)
    for answers in (False, True):
        t=time.time(); world.begin(); t1=time.time()
        steps=Steps(answers=answers)
        r = Export(world.place, steps).run(); t2=time.time()
        world.assert_done(); t3=time.time()
        world.assert_nothing_is_lost(); t4=time.time()
        print(which, len(steps.seen), collections.Counter(s.port+("+" if s.done else "") for s in steps.seen), r)
        print(f"begin {t1-t:.3f} run {t2-t1:.3f} done {t3-t2:.3f} lost {t4-t3:.3f}", sorted(world.objects()))
    if "sqlite, folder" in request.node.name: 
        for s in steps.seen: print(s)
