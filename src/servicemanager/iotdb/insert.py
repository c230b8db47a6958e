"""Many rows into a table at once, by the fastest way that needs no right but INSERT.

For MySQL the VALUES are spelled by Arrow, whole columns at a time: the driver's own way spends more on
formatting than the server on inserting. Sessions run with NO_BACKSLASH_ESCAPES, so within a literal the
quotation mark alone has a meaning.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from servicemanager.iotdb.columns import COLUMNS, STORED, STRINGS
from servicemanager.iotdb.engine import Database

#: Rows of one statement: well below the smallest max_allowed_packet, 1 MiB, at the widest.
_STATEMENT_ROWS = 1_000


def insert_rows(database: Database, tx: sa.Connection, table: str, rows: pa.Table) -> None:
    """Insert rows of READ_SCHEMA into `table`, as part of the caller's transaction."""
    names = f"{','.join(COLUMNS)},creationDate"
    if database.dialect == "sqlite":
        marks = ",".join("?" * (len(COLUMNS) + 1))
        content = zip(*(column.to_pylist() for column in _columns(rows)), strict=True)
        tx.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(content))
        return
    # The driver's own cursor: SQLAlchemy's would look for parameters in the text.
    cursor = tx.connection.cursor()
    for values in _spelled(rows):
        cursor.execute(f"INSERT INTO {table} ({names}) VALUES {values}")
    cursor.close()


def _columns(rows: pa.Table) -> list[pa.ChunkedArray]:
    stored = rows.column(STORED).cast(pa.timestamp("us"))
    # A fraction is spelled only where there is one: SQLite compares these texts.
    seconds = pc.cast(pc.floor_temporal(stored, unit="second"), pa.timestamp("s"))
    whole = pc.all(pc.equal(pc.cast(seconds, pa.timestamp("us")), stored)).as_py()
    text = pc.cast(seconds if whole else stored, pa.string())
    return [*(rows.column(name) for name in COLUMNS), text]


def _spelled(rows: pa.Table) -> Iterator[str]:
    fields = []
    for name, column in zip((*COLUMNS, STORED), _columns(rows), strict=True):
        quoted = name in STRINGS or name == STORED
        fields.append(_quoted(column) if quoted else pc.cast(column, pa.string()))
    texts = pc.binary_join_element_wise(*fields, ",", null_handling="replace", null_replacement="NULL")
    for start in range(0, len(texts), _STATEMENT_ROWS):
        yield "(" + "),(".join(texts.slice(start, _STATEMENT_ROWS).to_pylist()) + ")"


def _quoted(column: pa.ChunkedArray) -> pa.ChunkedArray:
    doubled = pc.replace_substring(column, "'", "''")
    return pc.binary_join_element_wise("'", doubled, "'", "")
