"""What `make bench-large` says of the sizes that it measured."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def large(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks import large

    return large


def sizes(large) -> list:
    """Two of them, as if everything had taken a second for each million rows, and ours twice as long."""
    found = []
    for rows in (1_000_000, 5_000_000):
        seconds = rows / 1_000_000
        size = large.Size(rows, day_seconds=1.5, drop_seconds=0.02, insert_p99_ms=5, insert_longest_ms=40)
        for ours, bare, _ in large.COMPARED:
            size.lines[ours] = large.growth.Line(2 * seconds, rows, peak_mib=250)
            size.lines.setdefault(bare, large.growth.Line(seconds, rows))
        found.append(size)
    return found


def test_each_goal_stands_beside_what_was_found_at_each_size(large):
    text = "".join(large.tables(sizes(large)))
    assert "| what | goal | 1,000,000 | 5,000,000 |\n" in text
    assert "| the highest peak of our processes, MiB | 300 | 250 | 250 |\n" in text
    assert "| one day leaves with its partition, seconds | 2 | 1.50 | 1.50 |\n" in text
    assert "C client drains the rows to nowhere: ratio | 2.5 | 2.00 | 2.00 |\n" in text
    assert "| C client drains the rows to nowhere | 1.00 | 5.00 |\n" in text


def test_what_could_not_be_measured_leaves_its_place_empty(large):
    without = sizes(large)
    del without[1].lines[large.growth.ARCHIVER]
    text = "".join(large.tables(without))
    assert f"| {large.growth.ARCHIVER} | 2.00 |  |\n" in text


def test_the_same_figures_draw_the_same_bytes(large, tmp_path):
    found = sizes(large)
    del found[1].lines[large.growth.GROUP_BY]  # which is left out of large sizes
    for name in ("one", "other"):
        large.draw(found, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
