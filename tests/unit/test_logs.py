"""Log lines are written without Rich, which takes longer to load than all the rest of them."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("layout", ["JSON", "TEXT"])
def test_an_error_is_logged_with_its_trace_and_nothing_loads_rich_before_a_table_needs_it(layout):
    program = f"""
import sys
from servicemanager.cli import logs
from servicemanager.config import LogFormat
import structlog
logs.configure(LogFormat.{layout})
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("it went wrong")
print("rich" in sys.modules)
from rich.table import Table
print(Table.__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "Table"]
    assert "it went wrong" in done.stderr
    assert "ZeroDivisionError" in done.stderr
