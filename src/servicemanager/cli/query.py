"""`servicemanager query`: a question in SQL about all readings, archived and live."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from servicemanager.cli.render import print_table
from servicemanager.errors import ConfigurationError, QueryRefused, StagingFailed

if TYPE_CHECKING:
    from servicemanager.lake import Answer

#: Rows of a table for people.
SHOWN = 10_000

Memory = Annotated[
    str | None, typer.Option("--memory", help="What DuckDB may hold in memory, by default 1GiB; the rest is spilled.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("query")(_command)


def _command(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT about the view facts.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with the columns' names first.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON document: a list of objects.")] = False,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="FILE", help="Write a Parquet file, and print nothing.")
    ] = None,
    memory: Memory = None,
) -> None:
    """Ask all readings, archived and live, as the view facts. DuckDB's SQL; nothing can be written.

    Exit status 0: answered. 1: the archive can't be read, or the query was interrupted. 2: wrong SQL or settings.
    4: the database or the bucket can't be reached.
    """
    from servicemanager.cli import logs, process
    from servicemanager.cli.signals import stopped_by_signals
    from servicemanager.service import Service

    if sum((as_csv, json_output, parquet is not None)) > 1:
        raise ConfigurationError("Choose one of --csv, --json and --parquet.")
    service = Service.configure()
    logs.configure(service.settings.log.format)
    process.settle()
    from servicemanager.lake import facts

    with stopped_by_signals() as stop, facts(service, memory, stop) as lake:
        answer = lake.query(sql)
        if parquet:
            write_parquet(answer, parquet)
        elif as_csv:
            _print_csv(answer)
        elif json_output:
            _print_json(answer)
        else:
            _print_table(answer)


def _rows(answer: Answer) -> Iterator[list[Any]]:
    for batch in answer.batches():
        yield from map(list, zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _print_table(answer: Answer) -> None:
    shown, rows = [], 0
    for row in _rows(answer):
        rows += 1
        if rows <= SHOWN:
            shown.append([int(cell) if _is_whole(cell) else cell for cell in row])
    print_table(answer.schema.names, shown)
    if rows > SHOWN:
        sys.stderr.write(f"note: {SHOWN:,} of {rows:,} rows are shown; --csv, --json and --parquet give all.\n")


def _print_csv(answer: Answer) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.schema.names)
    writer.writerows(map(_csv_cell, row) for row in _rows(answer))


def _csv_cell(cell: object) -> object:
    value = plain(cell)
    return json.dumps(value) if isinstance(value, list | dict) else value


def _print_json(answer: Answer) -> None:
    """Row by row, so that memory does not grow with the answer."""
    names, separator = unique(answer.schema.names), "\n "
    sys.stdout.write("[")
    for row in _rows(answer):
        document = dict(zip(names, map(plain, row), strict=True))
        sys.stdout.write(separator + json.dumps(document))
        separator = ",\n "
    sys.stdout.write("\n]\n")


def unique(names: list[str]) -> list[str]:
    """As DuckDB names columns that occur twice: `a`, `a_1`."""
    found: list[str] = []
    for name in names:
        candidates = (name if not n else f"{name}_{n}" for n in range(len(names)))
        found.append(next(each for each in candidates if each not in found))
    return found


def plain(value: Any) -> Any:
    """A value as JSON has it: whole numbers in full, other decimals, instants and the rest as text."""
    match value:
        case list() | tuple():
            found: Any = [plain(each) for each in value]
        case dict():
            found = {str(name): plain(each) for name, each in value.items()}
        case bytes():
            found = value.decode(errors="backslashreplace")
        case date() | time():
            found = value.isoformat()
        case Decimal() if _is_whole(value):
            found = int(value)
        case None | int() | str():
            found = value
        case float() if isfinite(value):  # JSON has neither NaN nor infinity
            found = value
        case _:
            found = str(value)
    return found


def _is_whole(value: object) -> bool:
    return isinstance(value, Decimal) and value.as_tuple().exponent == 0


def write_parquet(answer: Answer, path: Path) -> None:
    """Whole or not at all. Raises QueryRefused for what Parquet has no type for."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with pq.ParquetWriter(unfinished, answer.schema, compression="zstd") as writer:
            for batch in answer.batches():
                writer.write_batch(batch)
        unfinished.replace(path)
    except pa.ArrowNotImplementedError as error:
        raise QueryRefused(f"Parquet can't hold a column of this answer ({error}): cast it in the SELECT.") from error
    except OSError as error:
        raise StagingFailed(f"{path} can't be written ({error}): choose another file.") from error
    finally:
        unfinished.unlink(missing_ok=True)
