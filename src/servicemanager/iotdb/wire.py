"""Rows as MySQL and MariaDB send them, decoded by whole columns, as they come.

PyMySQL logs in and speaks for errors; only the rows of a prepared statement are taken off its connection here.
Nothing runs ahead: while nobody asks for the next batch, the server waits. The format is that of both servers'
manuals: COM_STMT_PREPARE, COM_STMT_EXECUTE and the "binary protocol resultset row".
"""

# ruff: noqa: SLF001 -- PyMySQL has no public way to its packets

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pymysql
from numpy.lib.stride_tricks import sliding_window_view
from pymysql.constants import CR, FIELD_TYPE, FLAG
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

_PREPARE, _EXECUTE = 0x16, 0x17
_BATCH_BYTES = 4 << 20
#: Of a packet: three bytes of length, one that counts packets.
_HEADER = 4
#: The longest string whose length is told in one byte; longer ones say first how many bytes tell it.
_SHORT = 250
_LENGTHS = {252: 2, 253: 3, 254: 8}
#: Behind what was read, so that a window over the last string ends within the buffer.
_MARGIN = _SHORT + 8
_WIDTHS = {
    FIELD_TYPE.TINY: 1,
    FIELD_TYPE.SHORT: 2,
    FIELD_TYPE.YEAR: 2,
    FIELD_TYPE.INT24: 4,
    FIELD_TYPE.LONG: 4,
    FIELD_TYPE.LONGLONG: 8,
}

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Column:
    name: str
    #: Of an integer, as numpy names it; empty for a string.
    integer: str


def stream(connection: pymysql.Connection[Any], query: str) -> Iterator[pa.RecordBatch]:
    """Batches of a few megabytes: integers of 64 bits (unsigned ones as such), and strings as in dictionaries.

    Nothing else can be asked of `connection` until they are used up, and the server keeps the statement until it is
    closed. Raises pymysql.Error.
    """
    link: Any = connection  # its stubs know only the public half of it
    statement = _prepare(link, query)
    link._execute_command(_EXECUTE, struct.pack("<IBI", statement, 0, 1))
    columns = [_column(link) for _ in range(link._read_packet().read_length_encoded_integer())]
    link._read_packet()
    for buffer, starts in _rows(link):
        yield _decoded(columns, buffer, starts)


def _prepare(link: Any, query: str) -> int:
    link._execute_command(_PREPARE, query)
    statement, columns = struct.unpack_from("<xIH", link._read_packet().get_all_data())
    for _ in range(columns + 1):  # they are told again when it is executed
        link._read_packet()
    return int(statement)


def _column(link: Any) -> _Column:
    field = link._read_packet(FieldDescriptorPacket)
    width = _WIDTHS.get(field.type_code)
    sign = "u" if field.flags & FLAG.UNSIGNED else "i"
    return _Column(field.name, f"<{sign}{width}" if width else "")


def _rows(link: Any) -> Iterator[tuple[_Bytes, _Ints]]:
    """What was read, and where in it the packets of rows begin."""
    with _listening():
        rest: bytes = link._rfile.read1()  # what PyMySQL has read already; what follows comes without its buffer
    while True:
        buffer, filled, here, starts = bytearray(max(_BATCH_BYTES, len(rest)) + _MARGIN), len(rest), 0, list[int]()
        buffer[:filled] = rest
        here = _walk(buffer, here, filled, starts)
        while filled < _BATCH_BYTES and not (starts and _is_last(buffer, starts[-1])):
            with memoryview(buffer) as view:
                filled += _receive(link, view[filled:_BATCH_BYTES])
            here = _walk(buffer, here, filled, starts)
        if not starts:
            raise pymysql.InternalError(CR.CR_NET_PACKET_TOO_LARGE, f"A row has more than {_BATCH_BYTES} bytes.")
        ended = _is_last(buffer, starts[-1])
        places = np.array(starts[:-1] if ended else starts, np.int64)
        if len(places):
            yield np.frombuffer(buffer, np.uint8), places
        if ended:
            _end(link, bytes(buffer[starts[-1] + _HEADER : here]))
            return
        rest = bytes(buffer[here:filled])


def _receive(link: Any, view: memoryview) -> int:
    with _listening():
        size: int = link._rfile.raw.readinto(view)
    if not size:
        raise pymysql.OperationalError(CR.CR_SERVER_LOST, "Lost connection during query")
    return size


@contextmanager
def _listening() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise pymysql.OperationalError(CR.CR_SERVER_LOST, f"Lost connection during query ({error})") from error


def _walk(buffer: bytearray, here: int, filled: int, starts: list[int]) -> int:
    """Note where each packet begins that is whole, from `here` on; returns where the first begins that is not."""
    size_at, append = struct.Struct("<I").unpack_from, starts.append
    last = filled - _HEADER
    while here <= last:
        follows = here + _HEADER + (size_at(buffer, here)[0] & 0xFFFFFF)
        if follows > filled:
            break
        append(here)
        here = follows
    return here


def _is_last(buffer: bytearray, start: int) -> bool:
    """Whether a packet is no row, but the end of rows or an error. Every row begins with a zero."""
    return buffer[start + _HEADER] != 0


def _end(link: Any, content: bytes) -> None:
    packet = MysqlPacket(content, link.encoding)
    if packet.is_error_packet():
        packet.raise_for_error()


def _decoded(columns: list[_Column], buffer: _Bytes, starts: _Ints) -> pa.RecordBatch:
    """A row is a zero, a bitmap of its NULLs that begins with two bits of no meaning, and the other values."""
    begin, size = starts + _HEADER + 1, (len(columns) + 9) // 8
    nulls = sliding_window_view(buffer, size)[begin]
    at, arrays = begin + size, []
    for bit, column in enumerate(columns, 2):
        null = (nulls[:, bit // 8] >> (bit % 8) & 1).astype(np.bool_)
        decode = _integers if column.integer else _strings
        array, length = decode(column.integer, buffer, at, null if null.any() else None)
        at = at + length
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def _integers(kind: str, buffer: _Bytes, at: _Ints, null: _Mask | None) -> tuple[pa.Array, _Ints | int]:
    width = np.dtype(kind).itemsize
    values = sliding_window_view(buffer, width)[at].view(kind).reshape(-1)
    if kind != "<u8":  # which may be too great for it
        values = values.astype(np.int64)
    return pa.array(values, mask=null), width if null is None else np.where(null, 0, width)


def _strings(_: str, buffer: _Bytes, at: _Ints, null: _Mask | None) -> tuple[pa.Array, _Ints | int]:
    """Each string is preceded by its length. The distinct ones are found as bytes of one width, zeros behind them."""
    size = buffer[at].astype(np.int64)
    if null is not None:
        size[null] = 0
    longest = int(size.max())
    if longest > _SHORT:
        return _long_strings(buffer, at, null)
    cells = sliding_window_view(buffer, longest + 1)[at]
    cells *= np.arange(longest + 1) <= size[:, None]
    if null is not None:
        cells[null] = 0
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(longest + 1), len(at), [None, pa.py_buffer(cells)])
    found = fixed.dictionary_encode()
    words = pa.array([cell[1 : 1 + cell[0]].decode() for cell in found.dictionary.to_pylist()], pa.string())
    length = size + 1
    if null is None:
        return pa.DictionaryArray.from_arrays(found.indices, words), length
    length[null] = 0
    return pa.DictionaryArray.from_arrays(pa.array(found.indices.to_numpy(), mask=null), words), length


def _long_strings(buffer: _Bytes, at: _Ints, null: _Mask | None) -> tuple[pa.Array, _Ints]:
    """One by one: the platform's own columns hold no such strings."""
    content, texts, lengths = buffer.tobytes(), list[str | None](), list[int]()
    for number, start in enumerate(at.tolist()):
        if null is not None and null[number]:
            texts.append(None)
            lengths.append(0)
            continue
        more = _LENGTHS.get(content[start], 0)
        first = start + 1 + more
        size = int.from_bytes(content[start + 1 : first], "little") if more else content[start]
        texts.append(content[first : first + size].decode())
        lengths.append(1 + more + size)
    return pa.array(texts, pa.string()).dictionary_encode(), np.array(lengths, np.int64)
