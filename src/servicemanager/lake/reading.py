"""An object's columns as the lake reads them: all rows, in the caller's thread, and in the types that are asked for."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from servicemanager.archive.parquet import ARROW_THREADS
from servicemanager.errors import ArchiveDamaged
from servicemanager.iotdb.columns import STRINGS


def read_columns(body: bytes, url: str, layout: pa.Schema, day: date | None = None) -> pa.Table:
    """The columns of `layout` of all rows of an object; `day` is its `creation_date`.

    What the object does not have is NULL. A fragment of a dataset takes half as long again. Raises ArchiveDamaged.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True, read_dictionary=list(STRINGS))
        held = [name for name in layout.names if name in file.schema_arrow.names]
        table, rows = file.read(columns=held, use_threads=ARROW_THREADS), file.metadata.num_rows
        missing = {"creation_date": pa.scalar(day, pa.date32())}
        columns = [
            table.column(field.name).cast(field.type)
            if field.name in held
            else pa.repeat(missing.get(field.name, pa.scalar(None, field.type)), rows)
            for field in layout
        ]
        return pa.Table.from_arrays(columns, schema=layout)
    except (pa.ArrowException, OSError) as error:
        raise damaged(url, error) from error


def damaged(url: str, error: Exception) -> ArchiveDamaged:
    return ArchiveDamaged(f"{url} can't be read ({error}): servicemanager verify tells what else is damaged.")
