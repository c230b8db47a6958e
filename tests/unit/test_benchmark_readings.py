"""The readings that benchmarks measure with: as many as asked for, and always the same."""

from __future__ import annotations

import importlib.util
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

from servicemanager.demo.readings import ZONE
from simulated import event_instants


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_benchmark_has_exactly_the_rows_asked_for_on_the_days_asked_for(generate: ModuleType) -> None:
    table = pa.concat_tables(generate.benchmark_readings(20_011, days=7, end=date(2026, 6, 30), seed=1))
    arrivals = table["creationDate"].to_pylist()
    assert len(table) == 20_011
    assert arrivals == sorted(arrivals)
    assert {at.astimezone(ZONE).date() for at in arrivals} == {date(2026, 6, day) for day in range(24, 31)}
    lags = [at - event for event, at in zip(event_instants(table, ZONE), arrivals, strict=True)]
    assert min(lags) >= timedelta(0)
    assert max(lags) > timedelta(days=1)
    assert len(table.group_by(["device", "sensor"]).aggregate([])) == 4_500


def test_a_benchmark_is_the_same_every_time(generate: ModuleType, tmp_path: Path) -> None:
    for name in ("one", "other"):
        generate.write_tsv(5_000, tmp_path / name, days=3)
    lines = (tmp_path / "one").read_text().splitlines()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert len(lines) == 5_000
    assert {line.count("\t") for line in lines} == {12}
