"""Which partitions become one once they are emptied."""

from datetime import datetime, timedelta

from servicemanager.iotdb.partitions import Layout, Partition, mergers

ENDS = [datetime(2026, 11, 1) + timedelta(days=number) for number in range(7)]
LAYOUT = Layout(
    (
        Partition("older", None, ENDS[0]),
        *(Partition(f"p{n}", ENDS[n], ENDS[n + 1]) for n in range(6)),
        Partition("future", ENDS[6], None),
    )
)


def merged(*emptied: str, most: int = 8) -> list[str]:
    return [" ".join(each.name for each in together) for together in mergers(LAYOUT, emptied, most)]


def test_emptied_days_become_one_with_the_first_partition():
    assert merged("older", "p0", "p1") == ["older p0 p1"]


def test_a_first_partition_that_is_not_to_be_copied_is_left_and_the_emptied_days_become_one():
    assert merged("p0", "p1") == ["p0 p1"]
    assert merged("p0") == []


def test_a_day_that_was_kept_parts_its_neighbours():
    assert merged("older", "p0", "p2", "p3", "p5") == ["older p0", "p2 p3"]


def test_many_are_merged_some_at_a_time_into_the_same_one():
    assert merged("older", "p0", "p1", "p2", "p3", "p4", most=2) == ["older p0 p1", "older p2 p3", "older p4"]


def test_the_last_partition_is_never_among_them():
    assert merged("p5", "future") == []
