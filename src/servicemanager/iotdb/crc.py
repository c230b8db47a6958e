"""CRC-32 of many texts at once, put together from the CRC-32 of their pieces.

The CRC-32 (zlib, RFC 1952) of two texts in a row follows from theirs and from the length of the second one:
``crc(a + b) = zeros(crc(a), len(b)) ^ crc(b)``, where `zeros` is linear (zlib's crc32_combine). So a table of
rows is hashed by whole columns, and a text that many rows share is hashed once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

_POLYNOMIAL = 0xEDB88320
#: Decimal digits that are looked up at once.
_DIGITS = 4
_BASE = 10**_DIGITS
#: No 64-bit number has more blocks of digits than that.
_BLOCKS = 5


@dataclass(frozen=True)
class Pieces:
    """One text per row: its CRC-32 and its length in bytes."""

    crc: Words
    length: Ints

    def __add__(self, other: Pieces) -> Pieces:
        """Each of these texts with the other one behind it."""
        return Pieces(_append_zeros(self.crc, other.length) ^ other.crc, self.length + other.length)

    def take(self, places: Ints) -> Pieces:
        return Pieces(self.crc[places], self.length[places])

    def where(self, chosen: Mask, other: Pieces) -> Pieces:
        """These where `chosen`, the other ones elsewhere."""
        return Pieces(np.where(chosen, self.crc, other.crc), np.where(chosen, self.length, other.length))


def joined(pieces: Iterable[Pieces]) -> Pieces:
    return reduce(Pieces.__add__, pieces)


def same(text: bytes, rows: int) -> Pieces:
    return Pieces(np.full(rows, zlib.crc32(text), np.uint32), np.full(rows, len(text)))


def texts(content: Sequence[bytes]) -> Pieces:
    """Hashed one by one."""
    crcs = np.fromiter(map(zlib.crc32, content), np.uint32, len(content))
    return Pieces(crcs, np.fromiter(map(len, content), np.int64, len(content)))


def decimals(values: Ints, before: bytes = b"") -> Pieces:
    """The decimal digits of each number, a minus sign before negative ones, and `before` before it all."""
    negative = values < 0
    # The least number has no positive counterpart in 64 bits, but one in as many without a sign.
    size = np.where(negative, -values, values).astype(np.uint64)
    found = _first_block(size, negative, before)
    for block in range(_blocks(size) - 2, -1, -1):
        digits = (size // np.uint64(_BASE**block) % np.uint64(_BASE)).astype(np.int64)
        follows = size >= np.uint64(_BASE ** (block + 1))
        found = (found + _table(b"", padded=True).take(digits)).where(follows, found)
    return found


def _blocks(size: npt.NDArray[np.uint64]) -> int:
    greatest = int(size.max()) if len(size) else 0
    return next(n for n in range(1, _BLOCKS + 1) if greatest < _BASE**n)


def _first_block(size: npt.NDArray[np.uint64], negative: Mask, before: bytes) -> Pieces:
    """The digits with which a number begins: between one and _DIGITS of them."""
    leading = size
    for _ in range(_blocks(size) - 1):
        leading = np.where(leading >= _BASE, leading // np.uint64(_BASE), leading)
    digits = leading.astype(np.int64)
    found = _table(before, padded=False).take(digits)
    return _table(before + b"-", padded=False).take(digits).where(negative, found) if negative.any() else found


@cache
def _table(before: bytes, *, padded: bool) -> Pieces:
    width = _DIGITS if padded else 0
    return texts([before + str(number).zfill(width).encode() for number in range(_BASE)])


def _append_zeros(crc: Words, length: Ints) -> Words:
    """What stands for a text in the CRC-32 of a longer one that has `length` bytes more."""
    if not len(crc):
        return crc
    lengths = np.flatnonzero(np.bincount(length))
    if len(lengths) == 1:
        return _look_up(_zeros(int(lengths[0])), crc)
    place = np.zeros(int(lengths[-1]) + 1, np.int64)
    place[lengths] = np.arange(len(lengths)) * _zeros(0).size
    return _look_up(np.concatenate([_zeros(int(each)) for each in lengths]), crc, place[length])


def _look_up(table: Words, crc: Words, base: Ints | int = 0) -> Words:
    """The operator is linear, so it is applied to each of the four bytes by itself."""
    found = table[base + (crc & 0xFF)]
    for byte in range(1, 4):
        found = found ^ table[base + 256 * byte + (crc >> np.uint32(8 * byte) & 0xFF)]
    return found


@cache
def _zeros(length: int) -> Words:
    """The operator that appends so many bytes, for each value of each of the four bytes of a CRC-32."""
    values = np.arange(256, dtype=np.uint32)
    table = np.concatenate([values << np.uint32(8 * byte) for byte in range(4)])
    for _ in range(length):
        table = _byte_table()[table & 0xFF] ^ (table >> np.uint32(8))
    return table


@cache
def _byte_table() -> Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> np.uint32(1)) ^ np.uint32(_POLYNOMIAL), table >> np.uint32(1))
    return table
