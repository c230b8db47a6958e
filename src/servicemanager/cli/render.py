"""What commands print: tables for people, one JSON document for programs.

On a terminal a table is Rich's; elsewhere it is plain lines, aligned, one a row, that nothing
wraps or cuts, so that grep and awk can be relied on. Text that comes from outside is never read as
markup, and can't break a line or steer the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from servicemanager.web.documents.document import Document


def print_json(document: object) -> None:
    """One JSON document on stdout; instants as ISO 8601, durations as seconds, the rest as text."""
    sys.stdout.write(json.dumps(document, indent=2, default=_plain) + "\n")


def print_document(document: Document | Sequence[Document]) -> None:
    """One or several of the service's documents on stdout, in the words of the API."""
    print_json(_plain_document(document))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; columns that hold only numbers stand to the right, None is left empty."""
    right = [_numeric(cells) for cells in zip_longest(*rows)] or [False] * len(columns)
    lines = [[one_line(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, lines, right)
    else:
        sys.stdout.write(plain_table(columns, lines, right))


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Aligned lines, two spaces between columns, none at the end of a line."""
    lines = [list(columns), *(list(row) for row in rows)]
    widths = [max(map(len, cells)) for cells in zip_longest(*lines, fillvalue="")]
    return "".join(_plain_line(line, widths, right) for line in lines)


def _plain_line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    aligned = (
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=False)
    )
    return "  ".join(aligned).rstrip() + "\n"


def one_line(cell: object) -> str:
    """A cell's text on one line, with anything that can't be printed as an escape."""
    text = "" if cell is None else str(cell)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _plain_document(document: Document | Sequence[Document]) -> object:
    if isinstance(document, Sequence):
        return [_plain_document(each) for each in document]
    return document.model_dump(mode="json", by_alias=True)


def _numeric(cells: Sequence[object]) -> bool:
    return all(cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool)) for cell in cells)


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column, to_right in zip(columns, right, strict=False):
        table.add_column(Text(column), justify="right" if to_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _plain(value: object) -> object:
    match value:
        case timedelta():
            return value.total_seconds()
        case datetime() | date():
            return value.isoformat()
        case set() | frozenset():
            return sorted(value)
    return str(value)
