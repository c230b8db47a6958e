"""Columns of whole numbers beyond 64 bits: limbs of 32 bits in columns of 64, the least first; pure.

A number is the sum of its limbs times 1, 2^32, 2^64 and so on. All but the last are at least 0 and below 2^32, and the
last bears the sign. So columns are added up exactly, limb by limb, and what is too much for a limb is carried.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

BITS = 32
LOW = (1 << BITS) - 1

Ints = npt.NDArray[np.int64]


def carried(limbs: Sequence[Ints], width: int) -> list[Ints]:
    """The same numbers in `width` limbs as they should be, of some that may be too great or below zero.

    Between -2^63 + 2^32 and 2^63 - 2^32, for something may be carried into them.
    """
    carry, found = np.zeros(len(limbs[0]), np.int64), list[Ints]()
    for number in range(width - 1):
        whole = carry + limbs[number] if number < len(limbs) else carry
        found.append(whole & LOW)
        carry = whole >> BITS  # rounds down, so that a negative number borrows
    return [*found, carry + limbs[width - 1] if width <= len(limbs) else carry]


def of_integers(numbers: Sequence[int], width: int) -> list[Ints]:
    """Raises OverflowError where they do not fit."""
    whole = np.array([*numbers, 0], object)[:-1]  # of an empty list alone numpy would make floats
    found = [(whole >> BITS * number & LOW).astype(np.int64) for number in range(width - 1)]
    return [*found, (whole >> BITS * (width - 1)).astype(np.int64)]


def to_integers(limbs: Sequence[Ints]) -> list[int]:
    total: list[int] = limbs[-1].tolist()
    for limb in limbs[-2::-1]:
        total = [(up << BITS) + down for up, down in zip(total, limb.tolist(), strict=True)]
    return total


def added(limbs: Sequence[Ints], starts: npt.NDArray[np.intp]) -> list[Ints]:
    """The sums of each stretch that begins at one of `starts`; of fewer than 2^31 numbers no limb can overflow."""
    sums = [np.add.reduceat(limb, starts) for limb in limbs]
    return carried(sums, len(limbs))
