"""Blocks: the moments of some thousand pairs, packed into a few bytes for each; pure.

A payload is an Arrow IPC stream of `moment_columns.SCHEMA` with its columns compressed. Blocks are never changed. They
may overlap, and hold parts of the same pair: whoever reads merges them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from servicemanager.iotdb.moment_columns import SCHEMA, lines_before, merged

#: About so many, for whoever wants one device has to unpack the whole block that it is in.
PAIRS = 4096
#: Written as SQL it may double, and must stay below the smallest max_allowed_packet, 1 MiB.
MAX_BYTES = 384 << 10
#: Lines that are merged at once, when there are so many.
_AT_ONCE = 1 << 15
_PACKED_AT_ONCE = 64 << 20
#: No threads of Arrow's: see `archive.parquet.ARROW_THREADS`.
_WRITING = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
_READING = pa.ipc.IpcReadOptions(use_threads=False)


@dataclass(frozen=True, slots=True)
class Block:
    """One payload, and what can be said of it without unpacking it."""

    first_device: bytes
    last_device: bytes
    pairs: int
    payload: bytes


def pack(table: pa.Table) -> Iterator[Block]:
    """The blocks of a table of moments, in order, about equally long."""
    number = max(round(table.num_rows / PAIRS), 1) if table.num_rows else 0
    for part in range(number):
        start, end = (table.num_rows * edge // number for edge in (part, part + 1))
        yield from _packed(table.slice(start, end - start))


def unpack(payload: bytes) -> pa.Table:
    with pa.ipc.open_stream(payload, options=_READING) as stream:
        return stream.read_all()


def merge(blocks: Iterable[Block]) -> Iterator[pa.Table]:
    """Each pair of all blocks once, in order, in tables of about 2^15 lines.

    The blocks come in the order of their first devices. Memory holds those that overlap, as far as their pairs differ.
    """
    held, lines, limit = list[pa.Table](), 0, _AT_ONCE
    for block in blocks:
        if lines >= limit:
            whole = merged(held)
            done = lines_before(whole, block.first_device)
            if done:
                yield whole.slice(0, done)
            held, lines = [whole.slice(done)], whole.num_rows - done
            limit = max(_AT_ONCE, 2 * lines)
        held.append(unpack(block.payload))
        lines += block.pairs
    if lines:
        yield merged(held)


def gather(tables: Iterable[pa.Table]) -> list[Block]:
    """The blocks of all tables together; memory holds one table and, packed, each pair once or twice."""
    held, limit = list[Block](), _PACKED_AT_ONCE
    for table in tables:
        held += pack(table)
        if _size(held) > limit:
            held = _merged(held)
            limit = max(_PACKED_AT_ONCE, 2 * _size(held))
    return _merged(held)


def in_order(blocks: Iterable[Block]) -> list[Block]:
    return sorted(blocks, key=lambda block: block.first_device)


def _merged(blocks: Iterable[Block]) -> list[Block]:
    return list(chain.from_iterable(map(pack, merge(in_order(blocks)))))


def _size(blocks: list[Block]) -> int:
    return sum(len(block.payload) for block in blocks)


def _packed(table: pa.Table) -> Iterator[Block]:
    """One block, or two halves where it would be too large: devices may have long names."""
    # Its own devices only, not all of those that it was cut out of.
    device = table.column("device").cast(pa.binary())
    sink = pa.BufferOutputStream()
    lean = table.set_column(0, SCHEMA.field("device"), device.combine_chunks().dictionary_encode())
    with pa.ipc.new_stream(sink, SCHEMA, options=_WRITING) as stream:
        stream.write_table(lean.combine_chunks())
    payload = sink.getvalue().to_pybytes()
    if len(payload) > MAX_BYTES and table.num_rows > 1:
        half = table.num_rows // 2
        yield from chain(_packed(table.slice(0, half)), _packed(table.slice(half)))
        return
    ends = pc.min_max(device).as_py()
    yield Block(ends["min"], ends["max"], table.num_rows, payload)
