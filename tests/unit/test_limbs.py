"""Whole numbers beyond 64 bits in columns: the sums of Python's own integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicemanager.iotdb.limbs import LOW, added, carried, of_integers, to_integers

#: The most that three limbs hold.
WIDE = st.integers(-(2**127), 2**127 - 1)
#: A limb that what is carried into it does not overflow.
LONG = st.integers(-(2**63 - 2**32), 2**63 - 2**32)


@given(st.lists(WIDE))
def test_numbers_come_back_as_they_were(numbers):
    limbs = of_integers(numbers, 3)
    assert to_integers(limbs) == numbers
    assert all(((limb >= 0) & (limb <= LOW)).all() for limb in limbs[:-1])


@pytest.mark.parametrize("number", [2**127, -(2**127) - 1])
def test_a_number_that_does_not_fit_is_refused(number):
    with pytest.raises(OverflowError):
        of_integers([number], 3)


@given(st.lists(st.lists(st.integers(-(2**120), 2**120), min_size=1), min_size=1))
def test_stretches_are_added_up_exactly(stretches):
    limbs = of_integers([number for stretch in stretches for number in stretch], 4)
    starts = np.cumsum([0, *map(len, stretches[:-1])])
    sums = added(limbs, starts)
    assert to_integers(sums) == list(map(sum, stretches))
    assert all(((limb >= 0) & (limb <= LOW)).all() for limb in sums[:-1])


@given(st.lists(st.tuples(LONG, LONG), min_size=1))
def test_what_is_too_much_for_a_limb_or_below_zero_is_carried(numbers):
    low, high = (np.array(column, np.int64) for column in zip(*numbers, strict=True))
    assert to_integers(carried([low, high], 4)) == [a + (b << 32) for a, b in numbers]
