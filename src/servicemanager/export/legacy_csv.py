"""The Node version's CSV files, for old consumers: the same lines under the same kind of name.

Semicolons, no header, no quoting, a NULL sensor as 0; the time in the name is the first second of the
window, in the local zone, moved on by a second for each file that is already there with other content.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from servicemanager.archive.objects import ObjectStore
from servicemanager.archive.parquet import Label
from servicemanager.archive.proof import sha256
from servicemanager.errors import ObjectExists
from servicemanager.iotdb.columns import COLUMNS


def put_csv(store: ObjectStore, label: Label, rows: pa.Table, zone: ZoneInfo) -> str:
    """Put the file unless it is there, and return its key."""
    body = csv_lines(rows)
    begin = label.window.start_at + timedelta(seconds=label.generation)
    while True:
        key = csv_name(begin.astimezone(zone))
        try:
            store.put_new(key, body, {})
        except ObjectExists:
            if sha256(store.read(key)) != sha256(body):
                begin += timedelta(seconds=1)
                continue
        return key


def csv_name(local: datetime) -> str:
    return f"MECCANO-{local.year}-{local.month}-{local.day}-{local.hour}-{local.minute}-{local.second}.CSV"


def csv_lines(rows: pa.Table) -> bytes:
    fields = [pc.cast(rows.column(name), pa.string()) for name in COLUMNS]
    fields[COLUMNS.index("sensor")] = pc.fill_null(fields[COLUMNS.index("sensor")], "0")
    lines = pc.binary_join_element_wise(*fields, ";", null_handling="replace", null_replacement="")
    return "".join(f"{line}\n" for line in lines.to_pylist()).encode()
