"""The kernels as functions that nutpie calls, and the memory that they read.

nutpie calls a C function with a point and an address. The address is that of a directory: where
each of the arrays lies that are not sampled, and how large it is. So one compilation serves every
table: of other LLMs, benchmarks and features, with other scores and priors.

The shared parameters are few and strongly correlated, which nutpie's diagonal mass matrix cannot
see and a mass matrix of everything would be too large for. So they alone are whitened: at a point y
they are ``centre + root y``, and the rest of the point is as it is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from latentscale.kernels.arguments import (
    Cells,
    Known,
    Laws,
    Llms,
    SlopeGuess,
    Suite,
    Unknown,
)
from latentscale.kernels.jit import compiled, summed
from latentscale.kernels.on_disk import compile_kept
from latentscale.kernels.scatter import LIKELIHOODS
from latentscale.kernels.whole import evaluate
from latentscale.recent import Recent
from latentscale.spec import MAX_SKILLS
from latentscale.unknown import N_CONFIGURATIONS

# The arrays in the directory, in its order; numbers, except where the name says integers.
ARRAYS = (
    "score", "trials", "guess", "llm", "recipe_of_cell", "first", "ends", "condition", "x",
    "slope_columns", "tuned", "recipe", "family_of_recipe", "developer_of_family", "chance",
    "mean", "rough_slope", "weights", "anchored", "placed", "term", "is_step", "own",
    "unknown_family", "unknown_begin", "unknown_columns", "unknown_shift", "unknown_first_llm",
    "unknown_llm", "unknown_first_off", "unknown_off", "slope_axes", "slope_information",
    "slope_pull", "start", "law", "support", "numbers", "shapes", "centre", "root",
)  # fmt: skip
INTEGERS = frozenset(
    ("llm", "recipe_of_cell", "first", "ends", "slope_columns", "recipe", "family_of_recipe",
     "developer_of_family", "anchored", "placed", "term", "is_step", "own",
     "unknown_family", "unknown_begin", "unknown_columns", "unknown_first_llm", "unknown_llm",
     "unknown_first_off", "start", "law", "support", "shapes")
)  # fmt: skip
_AT = {name: position for position, name in enumerate(ARRAYS)}
_N_ARRAYS, _FIELDS = len(ARRAYS), 3  # address, rows, columns

_CENTRE, _ROOT = _AT["centre"], _AT["root"]


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


@compiled
def _numbers(directory, i):
    """Give an array of numbers, dims (row,)."""
    return numba.carray(_pointer(directory[i, 0]), (directory[i, 1],), np.float64)


@compiled
def _matrix(directory, i):
    """Give a matrix of numbers, dims (row, column)."""
    return numba.carray(_pointer(directory[i, 0]), (directory[i, 1], directory[i, 2]), np.float64)


@compiled
def _integers(directory, i):
    """Give an array of integers, dims (row,)."""
    return numba.carray(_pointer(directory[i, 0]), (directory[i, 1],), np.int64)


@compiled
def _integer_matrix(directory, i):
    """Give a matrix of integers, dims (row, column)."""
    return numba.carray(_pointer(directory[i, 0]), (directory[i, 1], directory[i, 2]), np.int64)


@compiled
def known_of(
    score, trials, guess, llm, recipe_of_cell, first, ends, condition, x, slope_columns, tuned,
    recipe, family_of_recipe, developer_of_family, chance, mean, rough_slope, weights, anchored,
    placed, term, is_step, own, unknown_family, unknown_begin, unknown_columns, unknown_shift,
    unknown_first_llm, unknown_llm, unknown_first_off, unknown_off, slope_axes, slope_information,
    slope_pull, start, law, support, numbers, shapes,
):  # fmt: skip
    """Name the arrays of :data:`ARRAYS`, up to the last two."""
    return Known(
        Cells(score, trials, guess, llm, recipe_of_cell, first, ends, condition),
        Llms(x, slope_columns, tuned, recipe, family_of_recipe, developer_of_family),
        Suite(
            chance, mean, rough_slope, weights, anchored, placed, term, is_step, own, tuned.sum()
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
        SlopeGuess(slope_axes, slope_information, slope_pull),
        Laws(start, law, support, numbers),
        shapes,
    )


@compiled
def _known(d):
    """Give the arrays of a directory, in the order of :data:`ARRAYS`."""
    i = 0  # What takes a literal number would be compiled anew for each.
    return known_of(
        _numbers(d, i + 0), _numbers(d, i + 1), _numbers(d, i + 2), _integers(d, i + 3),
        _integers(d, i + 4), _integers(d, i + 5), _integers(d, i + 6), _matrix(d, i + 7),
        _matrix(d, i + 8), _integers(d, i + 9), _numbers(d, i + 10), _integers(d, i + 11),
        _integers(d, i + 12), _integers(d, i + 13), _numbers(d, i + 14), _numbers(d, i + 15),
        _numbers(d, i + 16), _matrix(d, i + 17), _integers(d, i + 18), _integers(d, i + 19),
        _integers(d, i + 20), _integers(d, i + 21), _integers(d, i + 22), _integers(d, i + 23),
        _integers(d, i + 24), _integers(d, i + 25), _numbers(d, i + 26), _integers(d, i + 27),
        _integers(d, i + 28), _integers(d, i + 29), _numbers(d, i + 30), _matrix(d, i + 31),
        _matrix(d, i + 32), _matrix(d, i + 33), _integers(d, i + 34), _integers(d, i + 35),
        _integers(d, i + 36), _matrix(d, i + 37), _integer_matrix(d, i + 38),
    )  # fmt: skip


@compiled
def _unwhitened(y, centre, root):
    """Give the point that y stands for; the root is symmetric."""
    x, n = y.copy(), centre.shape[0]
    for i in range(n):
        x[i] = centre[i] + _product(root[i], y)
    return x


@compiled
def _whiten_gradient(gradient, root):
    """Write the gradient by y over that by the point."""
    by_shared = gradient[: root.shape[0]].copy()
    for i in range(root.shape[0]):
        gradient[i] = _product(root[i], by_shared)


@summed
def _product(row, x):
    """Give the product of a row with as many of the first numbers."""
    total = 0.0
    for i in range(row.shape[0]):
        total += row[i] * x[i]
    return total


@summed
def _nothing_if_finite(x):
    """Give zero, or what is not a number if one of many is not finite."""
    total = 0.0
    for i in range(x.shape[0]):
        total += 0 * x[i]
    return total


class Callbacks(NamedTuple):
    """Two C functions: for the log density and its gradient, and for the variables reported.

    ``whole`` is what both call, and must live as long as they do.
    """

    density: Any
    report: Any
    whole: Any


_number = types.CPointer(types.float64)
_WHOLE = types.int64(types.uint64, types.uint64, _number, _number, _number, _number, types.voidptr)
_DENSITY = types.int64(types.uint64, _number, _number, _number, types.voidptr)
_REPORT = types.int64(types.uint64, types.uint64, _number, _number, types.voidptr)


_compiled: Recent[Callbacks] = Recent(MAX_SKILLS * len(LIKELIHOODS))  # all there are


def callbacks(n_skills: int, likelihood: str) -> Callbacks:
    """Give the functions that nutpie calls, compiled once for a number of skills and a likelihood.

    Returns
    -------
    Callbacks
        Zero says that all went well, anything else that the density is not finite.
    """
    return _compiled.get(f"{n_skills} {likelihood}", lambda: _compile(n_skills, likelihood))


# What :func:`_whole` is compiled for.
_SKILLS: Any = None
_LIKELIHOOD: Any = None


def _whole(n, n_reported, y_, gradient_, value_, reported_, address):
    directory = numba.carray(address, (_N_ARRAYS, _FIELDS), np.int64)
    y, gradient = numba.carray(y_, (n,)), numba.carray(gradient_, (n,))
    reported, value = numba.carray(reported_, (n_reported,)), numba.carray(value_, (1,))
    root = _matrix(directory, _ROOT)
    x = _unwhitened(y, _numbers(directory, _CENTRE), root)
    value[0] = evaluate(_SKILLS, _LIKELIHOOD, _known(directory), x, gradient, reported)
    _whiten_gradient(gradient, root)
    return 0 if np.isfinite(value[0] + _nothing_if_finite(gradient)) else 1


def _compile(n_skills: int, likelihood: str) -> Callbacks:
    # Compiled apart and called by its address, so that both share it.
    constants = {"_SKILLS": (0,) * n_skills, "_LIKELIHOOD": LIKELIHOODS[likelihood]}
    whole = compile_kept(_WHOLE, _whole, constants, f"{likelihood}_{n_skills}")
    call = whole.ctypes
    call.restype = ctypes.c_int64

    def density(n, y_, gradient_, value_, address):
        return call(n, 0, y_, gradient_, value_, value_, address)

    def report(n, n_reported, y_, reported_, address):
        gradient, value = np.empty(n), np.empty(1)
        call(n, n_reported, y_, gradient.ctypes, value.ctypes, reported_, address)
        return 0

    return Callbacks(numba.cfunc(_DENSITY)(density), numba.cfunc(_REPORT)(report), whole)
