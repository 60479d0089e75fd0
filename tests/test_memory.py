"""The memory that kernels take their arrays from."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from latentscale.kernels import memory

begin, empty, filled, zeros_like, copy, give_back, integers = (
    memory.begin, memory.empty, memory.filled, memory.zeros_like, memory.copy, memory.give_back,
    memory.integers,
)  # fmt: skip
MEBIBYTE = 1 << 17  # numbers


@numba.njit
def taken(given, sizes):
    """Take vectors of so many numbers, each filled with its position."""
    return [filled(given, (n,), 1.0 * i) for i, n in enumerate(sizes)]


@numba.njit
def take_and_give_back(n):
    given = begin(integers(()))
    found = empty(given, (n, 3))
    found[n - 1, 2] = 7.0
    last = copy(given, found)[n - 1, 2] + zeros_like(given, found).sum()
    give_back(given)
    return last


@numba.njit
def freed(given):
    give_back(given)


@pytest.fixture
def given():
    found = np.zeros(memory._N_INTEGERS, dtype=np.int64)
    yield found
    freed(found)


def test_arrays_do_not_overlap(given):
    sizes = np.array([1, 0, 9, 3, MEBIBYTE, 5 * MEBIBYTE])
    found = taken(given, sizes)
    assert given[memory._N_PIECES] == 3
    for position, (array, size) in enumerate(zip(found, sizes, strict=True)):
        assert array.shape == (size,)
        assert array.ctypes.data % memory._LINE == 0
        assert (array == position).all()


def test_shapes(given):
    @numba.njit
    def cube(given):
        return filled(given, (2, 3, 4), 1.5), copy(given, np.arange(6.0).reshape(2, 3))

    found, copied = cube(given)
    np.testing.assert_array_equal(found, np.full((2, 3, 4), 1.5))
    np.testing.assert_array_equal(copied, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("n", [1, 10 * MEBIBYTE])
def test_all_pieces_are_given_back(n):
    assert take_and_give_back(n) == 7.0  # compiled
    _nrt_python.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        take_and_give_back(n)
        after = rtsys.get_allocation_stats()
    finally:
        _nrt_python.memsys_disable_stats()
    assert after.alloc - before.alloc == after.free - before.free > 0
