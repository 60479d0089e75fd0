"""What the kernels read: a directory of the arrays that are not sampled.

The compiled functions are given its address. It tells where each array lies and how large it is, so
that one compilation serves every table: of other LLMs, benchmarks and features, with other scores
and priors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from latentscale.kernels.arguments import Cells, Known, Laws, Llms, SlopeMarks, Suite, Unknown
from latentscale.kernels.jit import array_giving, compiled
from latentscale.unknown import N_CONFIGURATIONS

# The arrays in the directory, in its order; numbers, except where the name says integers.
ARRAYS = (
    "score", "trials", "fraction", "guess", "at_floor", "llm", "recipe_of_cell", "first", "ends",
    "condition", "deviating", "x_of_cell", "tuned_of_cell", "x", "slope_columns", "tuned", "recipe",
    "family_of_recipe", "developer_of_family", "recipe_tail", "chance", "mean", "top",
    "rough_slope", "weights", "anchored", "placed", "term", "is_step", "own", "own_power",
    "unknown_family", "unknown_begin", "unknown_columns", "unknown_shift", "unknown_first_llm",
    "unknown_llm", "unknown_first_off", "unknown_off", "slope_axes", "slope_information",
    "slope_pull", "start", "law", "support", "numbers", "places", "centre", "root",
)  # fmt: skip
INTEGERS = frozenset(
    ("llm", "recipe_of_cell", "first", "ends", "deviating", "slope_columns", "recipe",
     "family_of_recipe", "developer_of_family", "anchored", "placed", "term", "is_step", "own",
     "unknown_family", "unknown_begin", "unknown_columns", "unknown_first_llm", "unknown_llm",
     "unknown_first_off", "start", "law", "support", "places")
)  # fmt: skip
_N_ARRAYS, _FIELDS = len(ARRAYS), 3  # address, rows, columns
_CENTRE, _ROOT = ARRAYS.index("centre"), ARRAYS.index("root")


def directory_of(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Write down where arrays lie, in the order of :data:`ARRAYS`; they must be kept alive."""
    rows = [(array.ctypes.data, array.shape[0], array.size // max(1, array.shape[0]))
            for array in arrays]  # fmt: skip
    return np.array(rows, dtype=np.int64)


@intrinsic
def _to_pointer(typing_context: Any, address: Any) -> Any:
    """Make a pointer of a number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


_pointer: Any = _to_pointer


@array_giving
def _numbers(directory, i):
    """Give an array of numbers, dims (row,)."""
    return numba.carray(_pointer(directory[i, 0]), (directory[i, 1],), np.float64)


@array_giving
def _matrix(directory, i):
    """Give a matrix of numbers, dims (row, column)."""
    return numba.carray(_pointer(directory[i, 0]), (directory[i, 1], directory[i, 2]), np.float64)


@array_giving
def _integers(directory, i):
    """Give an array of integers, dims (row,)."""
    return numba.carray(_pointer(directory[i, 0]), (directory[i, 1],), np.int64)


@array_giving
def _integer_matrix(directory, i):
    """Give a matrix of integers, dims (row, column)."""
    return numba.carray(_pointer(directory[i, 0]), (directory[i, 1], directory[i, 2]), np.int64)


@compiled
def known_of(
    score, trials, fraction, guess, at_floor, llm, recipe_of_cell, first, ends, condition,
    deviating, x_of_cell, tuned_of_cell, x, slope_columns, tuned, recipe, family_of_recipe,
    developer_of_family, recipe_tail, chance, mean, top, rough_slope, weights, anchored, placed,
    term, is_step, own, own_power, unknown_family, unknown_begin, unknown_columns, unknown_shift,
    unknown_first_llm, unknown_llm, unknown_first_off, unknown_off, slope_axes, slope_information,
    slope_pull, start, law, support, numbers, places,
):  # fmt: skip
    """Name the arrays of :data:`ARRAYS`, up to the last two."""
    return Known(
        Cells(
            score,
            trials,
            fraction,
            guess,
            at_floor,
            llm,
            recipe_of_cell,
            first,
            ends,
            condition,
            deviating,
            x_of_cell,
            tuned_of_cell,
        ),
        Llms(x, slope_columns, tuned, recipe, family_of_recipe, developer_of_family, recipe_tail),
        Suite(
            chance,
            mean,
            top,
            rough_slope,
            weights,
            anchored,
            placed,
            term,
            is_step,
            own,
            own_power,
        ),
        Unknown(
            unknown_family,
            unknown_begin,
            unknown_columns,
            unknown_shift,
            unknown_first_llm,
            unknown_llm,
            unknown_first_off,
            unknown_off,
            N_CONFIGURATIONS,
        ),
        SlopeMarks(slope_axes, slope_information, slope_pull),
        Laws(start, law, support, numbers),
        places,
    )


@array_giving
def numbers_at(pointer, n):
    """Give the array that a pointer is to, dims (number,)."""
    return numba.carray(pointer, (n,))


@array_giving
def directory_at(address):
    """Give the directory that lies at an address, dims (array, field)."""
    return numba.carray(address, (_N_ARRAYS, _FIELDS), np.int64)


@compiled
def whitening(directory):
    """Give the centre and the root of the shared parameters' coordinates."""
    return _numbers(directory, _CENTRE), _matrix(directory, _ROOT)


@compiled
def known(d):
    """Give the arrays of a directory, by name."""
    i = 0  # What takes a literal number would be compiled anew for each.
    return known_of(
        _numbers(d, i + 0), _numbers(d, i + 1), _numbers(d, i + 2), _numbers(d, i + 3),
        _numbers(d, i + 4), _integers(d, i + 5), _integers(d, i + 6), _integers(d, i + 7),
        _integers(d, i + 8), _matrix(d, i + 9), _integers(d, i + 10), _matrix(d, i + 11),
        _numbers(d, i + 12), _matrix(d, i + 13), _integers(d, i + 14), _numbers(d, i + 15),
        _integers(d, i + 16), _integers(d, i + 17), _integers(d, i + 18), _numbers(d, i + 19),
        _numbers(d, i + 20), _numbers(d, i + 21), _numbers(d, i + 22), _numbers(d, i + 23),
        _matrix(d, i + 24), _integers(d, i + 25), _integers(d, i + 26), _integers(d, i + 27),
        _integers(d, i + 28), _integers(d, i + 29), _numbers(d, i + 30), _integers(d, i + 31),
        _integers(d, i + 32), _integers(d, i + 33), _numbers(d, i + 34), _integers(d, i + 35),
        _integers(d, i + 36), _integers(d, i + 37), _numbers(d, i + 38), _matrix(d, i + 39),
        _matrix(d, i + 40), _matrix(d, i + 41), _integers(d, i + 42), _integers(d, i + 43),
        _integers(d, i + 44), _matrix(d, i + 45), _integer_matrix(d, i + 46),
    )  # fmt: skip
