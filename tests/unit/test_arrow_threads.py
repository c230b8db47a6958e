"""Nothing of ours leaves work to Arrow's own threads: a process that ends just after them is aborted now and then."""

from __future__ import annotations

import subprocess
import sys

#: Counts the threads of a process that has none but its own before, around what reads and writes with Arrow.
_COUNTED = """
import io, os
from datetime import UTC, date, datetime, timedelta
import numpy as np, pyarrow as pa
from servicemanager.archive.parquet import Arranged, Label, holds_exactly, iter_groups, read_object, write_object
from servicemanager.iotdb.columns import COLUMNS, STORED, STRINGS
from servicemanager.iotdb.fingerprint import fingerprint_rows
from servicemanager.iotdb.moment_blocks import pack, unpack
from servicemanager.iotdb.moment_columns import moments_of
from servicemanager.iotdb.stored import UtcTime
from servicemanager.iotdb.window import Window

def threads():
    return len(os.listdir("/proc/self/task"))

number = np.arange(400_000)
text = pa.array(number % 1000).cast(pa.string()).dictionary_encode()
rows = pa.table({name: text if name in STRINGS else pa.array(number % 100) for name in COLUMNS})
rows = rows.append_column(STORED, pa.array(number * 1_000_000))
before = threads()
start = datetime(1970, 1, 1, tzinfo=UTC)
label = Label("", Window(start, start + timedelta(days=5)), date(1970, 1, 1), 0).sealed(fingerprint_rows(rows))
sink, arranged = io.BytesIO(), Arranged(rows, UtcTime())
write_object(sink, arranged, label)
assert holds_exactly(sink.getvalue(), arranged)
assert read_object(sink.getvalue(), "it").table.num_rows == 400_000
assert sum(each.table.num_rows for each in iter_groups(sink.getvalue(), "it")) == 400_000
blocks = list(pack(moments_of(rows.select(["device", "sensor", "data"]))))
assert sum(unpack(each.payload).num_rows for each in blocks) == 1000
print(before, threads())
"""


def test_reading_and_writing_objects_and_blocks_starts_no_threads():
    said = subprocess.run([sys.executable, "-c", _COUNTED], check=True, capture_output=True, text=True, timeout=60)
    before, after = said.stdout.split()
    assert after == before
