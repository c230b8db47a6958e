"""The moments of many pairs as columns, one line for each pair, by the bytes of its device and by sensor; pure.

Such a table is merged with others by whole columns, and exactly: sums are kept in limbs (see `limbs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import and_

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from servicemanager.iotdb import limbs
from servicemanager.iotdb.limbs import BITS, LOW, Ints
from servicemanager.iotdb.moments import Moments, Pair
from servicemanager.iotdb.row_text import encoded, places

#: Squares of numbers up to this one fit into 64 bits, and so does a sum of 2^32 of their halves.
_NARROW = 1 << 31
#: So many that 2^63 readings of a BIGINT have room.
_SUM, _SQUARES = [f"sum_x_{n}" for n in range(3)], [f"sum_x2_{n}" for n in range(5)]
_DEVICE = pa.dictionary(pa.int32(), pa.binary())
SCHEMA = pa.schema(
    [("device", _DEVICE), *((name, pa.int64()) for name in ("sensor", "n", *_SUM, *_SQUARES, "min_x", "max_x"))]
)
NONE = SCHEMA.empty_table()


def moments_of(rows: pa.Table) -> pa.Table:
    """Of each pair in `rows`, which has the columns device, sensor and data; a row that lacks one of them is left out.

    The filter of the gateway looks pairs up by device and sensor, so a reading without one has no statistics.
    """
    rows = _complete(rows.select(("device", "sensor", "data")))
    if not rows.num_rows:
        return NONE
    order = _Order(encoded(rows.column("device")), rows.column("sensor").to_numpy())
    return _table(order, _grouped(rows.column("data").to_numpy()[order.rows], order.starts))


def merged(parts: Iterable[pa.Table]) -> pa.Table:
    """The moments of all parts together; of fewer than 2^31 lines."""
    whole = pa.concat_tables([NONE, *parts])
    if not whole.num_rows:
        return NONE
    order = _Order(encoded(whole.column("device")), whole.column("sensor").to_numpy())
    column = {name: whole.column(name).to_numpy()[order.rows] for name in SCHEMA.names[2:]}
    sums, squares = (limbs.added([column[name] for name in names], order.starts) for names in (_SUM, _SQUARES))
    least = np.minimum.reduceat(column["min_x"], order.starts)
    greatest = np.maximum.reduceat(column["max_x"], order.starts)
    return _table(order, (np.add.reduceat(column["n"], order.starts), *sums, *squares, least, greatest))


def from_pairs(pairs: Iterable[tuple[Pair, Moments]]) -> pa.Table:
    """The pairs are distinct, and in order."""
    found = list(pairs)
    moments = [each for _, each in found]
    sums = limbs.of_integers([each.sum_x for each in moments], len(_SUM))
    squares = limbs.of_integers([each.sum_x2 for each in moments], len(_SQUARES))
    columns = [
        pa.array([pair.device for pair, _ in found], pa.binary()).dictionary_encode(),
        pa.array([pair.sensor for pair, _ in found], pa.int64()),
        pa.array([each.n for each in moments], pa.int64()),
        *map(pa.array, (*sums, *squares)),
        pa.array([each.min_x for each in moments], pa.int64()),
        pa.array([each.max_x for each in moments], pa.int64()),
    ]
    return pa.table(columns, schema=SCHEMA)


def to_pairs(table: pa.Table) -> Iterator[tuple[Pair, Moments]]:
    """Line by line, as Python's own integers."""
    devices = encoded(table.column("device"))
    names = devices.dictionary.to_pylist()
    numbers = {name: table.column(name).to_numpy() for name in SCHEMA.names[1:]}
    sums, squares = (limbs.to_integers([numbers[name] for name in names_]) for names_ in (_SUM, _SQUARES))
    n, least, greatest = (numbers[name].tolist() for name in ("n", "min_x", "max_x"))
    pairs = zip(places(devices).tolist(), numbers["sensor"].tolist(), strict=True)
    for (place, sensor), *found in zip(pairs, n, sums, squares, least, greatest, strict=True):
        yield Pair(names[place], sensor), Moments(*found)


def of_device(table: pa.Table, device: bytes) -> pa.Table:
    """The lines of one device."""
    column = encoded(table.column("device"))
    place = pc.index(column.dictionary, pa.scalar(device, pa.binary())).as_py()
    return table.filter(places(column) == place) if place >= 0 else NONE


def lines_before(table: pa.Table, device: bytes) -> int:
    """How many lines of devices before `device` a table made by `merged` begins with."""
    column = encoded(table.column("device"))
    before = pc.sum(pc.less(column.dictionary, pa.scalar(device, pa.binary()))).as_py() or 0
    return int(np.searchsorted(places(column), before))


class _Order:
    """How rows are brought into the order of their devices and sensors, and where each pair begins then."""

    def __init__(self, device: pa.DictionaryArray, sensor: Ints) -> None:
        sorted_ = pc.sort_indices(device.dictionary)
        rank = np.empty(len(sorted_), np.int64)
        rank[sorted_.to_numpy()] = np.arange(len(sorted_))
        codes = rank[places(device)]
        self.rows = np.lexsort((sensor, codes))
        codes, sensor = codes[self.rows], sensor[self.rows]
        self.starts = np.flatnonzero(np.append(True, (codes[1:] != codes[:-1]) | (sensor[1:] != sensor[:-1])))
        # A dictionary that keeps what was cut off would grow from merge to merge.
        used, places_ = np.unique(codes[self.starts], return_inverse=True)
        names = device.dictionary.take(sorted_.take(pa.array(used))).cast(pa.binary())
        #: Of each pair. The dictionary is in order, too.
        self.device = pa.DictionaryArray.from_arrays(pa.array(places_, pa.int32()), names)
        self.sensor = sensor[self.starts]


def _table(order: _Order, numbers: Iterable[Ints]) -> pa.Table:
    """`numbers` are the columns from `n` on."""
    return pa.table([order.device, *map(pa.array, (order.sensor, *numbers))], schema=SCHEMA)


def _complete(rows: pa.Table) -> pa.Table:
    columns = [column for column in rows.columns if column.null_count]
    return rows.filter(reduce(and_, (np.asarray(pc.is_valid(c)) for c in columns))) if columns else rows


def _grouped(data: Ints, starts: npt.NDArray[np.intp]) -> list[Ints]:
    """The moments of each stretch of `data` that begins at one of `starts`."""
    least, greatest = np.minimum.reduceat(data, starts), np.maximum.reduceat(data, starts)
    narrow = least.min() >= -_NARROW and greatest.max() <= _NARROW
    sums, squares = (_narrow_sums if narrow else _wide_sums)(data, starts)
    return [np.diff(np.append(starts, len(data))), *sums, *squares, least, greatest]


def _narrow_sums(data: Ints, starts: npt.NDArray[np.intp]) -> tuple[list[Ints], list[Ints]]:
    """Σx and Σx² of each stretch. The halves of squares are summed apart, so that no total can overflow."""
    squares = data * data
    halves = [np.add.reduceat(half, starts) for half in (squares & LOW, squares >> BITS)]
    return limbs.carried([np.add.reduceat(data, starts)], len(_SUM)), limbs.carried(halves, len(_SQUARES))


def _wide_sums(data: Ints, starts: npt.NDArray[np.intp]) -> tuple[list[Ints], list[Ints]]:
    """By Python's own integers: slow, and only where a column is a BIGINT."""
    wide = data.astype(object)
    sums, squares = np.add.reduceat(wide, starts), np.add.reduceat(wide * wide, starts)
    return limbs.of_integers(sums.tolist(), len(_SUM)), limbs.of_integers(squares.tolist(), len(_SQUARES))
