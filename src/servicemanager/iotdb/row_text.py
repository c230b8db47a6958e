"""A row as one text, equal for equal rows only, and the CRC-32 of that text; the SQL of `spelling` writes the same.

The strings come first, then each one's length in UTF-8 bytes, then the integers and the time, with semicolons
between all of them. Read from its end a text can be taken apart in one way only. The length of NULL is the
letter N, and so is a NULL integer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from servicemanager.iotdb import crc
from servicemanager.iotdb.columns import INTEGERS, STORED, STRINGS
from servicemanager.iotdb.crc import Ints, Pieces, Words

_GREATEST = 1 << 62
#: Columns are hashed together while they can have at most so many different values together.
_COMBINATIONS = 4096


def row_texts(rows: pa.Table) -> pa.ChunkedArray:
    strings = [rows.column(name).cast(pa.string()) for name in STRINGS]
    numbers = [*map(pc.binary_length, strings), *(rows.column(name) for name in (*INTEGERS, STORED))]
    fields = [pc.fill_null(string, "") for string in strings] + [
        pc.fill_null(pc.cast(number, pa.string()), "N") for number in numbers
    ]
    return pc.binary_join_element_wise(*fields, ";")


def row_hashes(rows: pa.Table) -> Words:
    """The CRC-32 of each row's text, without writing the texts."""
    if not rows.num_rows:
        return np.zeros(0, np.uint32)
    return crc.joined([_strings(rows), *_numbers(rows)]).crc


def encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """A column of strings in one piece, each distinct one once."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    return whole if isinstance(whole, pa.DictionaryArray) else whole.chunk(0)


def places(column: pa.DictionaryArray) -> Ints:
    """Where each row's string stands in the dictionary; behind its end for NULL."""
    return filled(column.indices.cast(pa.int64()), len(column.dictionary))


def filled(column: pa.Array | pa.ChunkedArray, null: int) -> Ints:
    """Numbers, with `null` in the place of NULL."""
    found: Ints = np.asarray(pc.fill_null(column, null) if column.null_count else column)
    return found


def _strings(rows: pa.Table) -> Pieces:
    """All strings of a row and their lengths; many rows share them, and they are hashed once for each combination."""
    columns = [encoded(rows.column(name)) for name in STRINGS]
    spans = [len(column.dictionary) + 1 for column in columns]
    if spans[0] * spans[1] * spans[2] > _GREATEST:
        return crc.joined(_string_pieces(columns, [places(column) for column in columns]))
    number = np.ravel_multi_index([places(column) for column in columns], spans)
    combined = pa.array(number).dictionary_encode()
    pieces = crc.joined(_string_pieces(columns, list(np.unravel_index(combined.dictionary.to_numpy(), spans))))
    return pieces.take(combined.indices.to_numpy())


def _string_pieces(columns: list[pa.DictionaryArray], where: list[Ints]) -> Iterator[Pieces]:
    distinct = [[text.encode() for text in column.dictionary.to_pylist()] for column in columns]
    for before, strings, at in zip((b"", b";", b";"), distinct, where, strict=True):
        yield crc.texts([before + string for string in [*strings, b""]]).take(at)
    for strings, at in zip(distinct, where, strict=True):
        lengths = [f";{len(string)}".encode() for string in strings]
        yield crc.texts([*lengths, b";N"]).take(at)


def _numbers(rows: pa.Table) -> Iterator[Pieces]:
    """Neighbouring columns of few values as one, since a look-up costs less than putting pieces together."""
    group: list[Ints] = []
    for name in (*INTEGERS, STORED):
        column = rows.column(name)
        values = filled(column, 0)
        if column.null_count:
            yield from _together(group)
            group = []
            yield crc.decimals(values, b";").where(column.is_valid().to_numpy(), crc.same(b";N", len(values)))
        elif _combinations([*group, values]) <= _COMBINATIONS:
            group.append(values)
        else:
            yield from _together(group)
            group = [values]
    yield from _together(group)


def _combinations(columns: list[Ints]) -> int:
    number = 1
    for values in columns:
        number *= _span(values)
    return number


def _span(values: Ints) -> int:
    return int(values.max()) - int(values.min()) + 1


def _together(columns: list[Ints]) -> Iterator[Pieces]:
    if _combinations(columns) > _COMBINATIONS:
        yield crc.decimals(columns[0], b";")  # it stands alone
    elif columns:
        spans = [_span(values) for values in columns]
        lows = [int(values.min()) for values in columns]
        number = np.ravel_multi_index([v - low for v, low in zip(columns, lows, strict=True)], spans)
        every = np.unravel_index(np.arange(_combinations(columns)), spans)
        fields = [crc.decimals(values + low, b";") for values, low in zip(every, lows, strict=True)]
        yield crc.joined(fields).take(number)
