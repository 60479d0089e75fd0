"""The kernels as functions that nutpie calls.

nutpie calls a C function with a point and the address of a directory
(:mod:`latentscale.kernels.directory`).

The shared parameters are few and strongly correlated, which nutpie's diagonal mass matrix cannot
see and a mass matrix of everything would be too large for. So they alone are whitened: at a point y
they are ``centre + root y`` with a lower triangle ``root``, and the rest of the point is as it is.

Most of the first fit is compiling. So the kernels are two C functions, of which two processes
compile one each: the density of effects and scores, given the parameters; and all that is around
it, which calls that by its address.
"""

from __future__ import annotations

import ctypes
from contextlib import nullcontext
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.core.ccallback import CFunc
from numba.core.typing.templates import Signature

from latentscale.kernels import posterior
from latentscale.kernels.adding import product
from latentscale.kernels.apart import caller_of
from latentscale.kernels.arguments import (
    Benchmarks,
    Cells,
    Curve,
    Llms,
    OfDeviations,
    OfSkills,
    Parameters,
    Scatter,
    Unknown,
)
from latentscale.kernels.directory import directory_at, known, numbers_at, whitening
from latentscale.kernels.jit import array_giving, compiled, summed
from latentscale.kernels.meanwhile import meanwhile
from latentscale.kernels.memory import begin, copy, give_back, integers
from latentscale.kernels.on_disk import Kept
from latentscale.kernels.scatter import LIKELIHOODS
from latentscale.kernels.whole import evaluate
from latentscale.recent import Recent
from latentscale.spec import MAX_SKILLS

# To read the root takes longest: so only its lower triangle is, four rows at a time.


@array_giving
def _unwhitened(memory, y, centre, root):
    """Give the coordinates of the shared parameters at y."""
    x, n = copy(memory, centre), centre.shape[0]
    whole = n - n % 4
    for i in range(0, whole, 4):
        _add_four_rows(root, y, x, i)
    for i in range(whole, n):
        x[i] += product(root[i, : i + 1], y)
    return x


@summed
def _add_four_rows(root, y, x, i):
    """Add the products of y with four rows of a lower triangle."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for j in range(i):
        a += root[i, j] * y[j]
        b += root[i + 1, j] * y[j]
        c += root[i + 2, j] * y[j]
        d += root[i + 3, j] * y[j]
    x[i], x[i + 1], x[i + 2], x[i + 3] = x[i] + a, x[i + 1] + b, x[i + 2] + c, x[i + 3] + d
    for row in range(i, i + 4):
        for j in range(i, row + 1):
            x[row] += root[row, j] * y[j]


@compiled
def _whiten_gradient(gradient, root):
    """Write the gradient by y over that by the coordinates: row i reaches the first i + 1."""
    n = root.shape[0]
    whole = n - n % 4
    for i in range(0, whole, 4):
        _spread_four_rows(root, gradient, i)
    for i in range(whole, n):
        _spread_row(root[i], gradient, i)


@summed
def _spread_four_rows(root, gradient, i):
    """Do what :func:`_spread_row` does with four of them."""
    a, b, c, d = gradient[i], gradient[i + 1], gradient[i + 2], gradient[i + 3]
    for j in range(i):
        gradient[j] += root[i, j] * a + root[i + 1, j] * b
        gradient[j] += root[i + 2, j] * c + root[i + 3, j] * d
    for row in range(i, i + 4):
        by_row = gradient[row]
        gradient[row] = 0.0
        for j in range(i, row + 1):
            gradient[j] += root[row, j] * by_row


@summed
def _spread_row(row, gradient, i):
    """Multiply a row by its derivative, and add it to those by the y that it is made of."""
    by_row = gradient[i]
    gradient[i] = 0.0
    for j in range(i + 1):
        gradient[j] += row[j] * by_row


@summed
def _nothing_if_finite(x):
    """Give zero, or what is not a number if one of many is not finite."""
    total = 0.0
    for i in range(x.shape[0]):
        total += 0 * x[i]
    return total


def _signature_of_scores() -> Signature:
    """Give the types that :func:`latentscale.kernels.posterior.density` takes and gives."""
    i, x, xx = np.empty(0, dtype=np.int64), np.empty(0), np.empty((0, 0))
    parameters = Parameters(
        Curve(x, x, x), Scatter(x, x), Benchmarks(x, xx, x, xx, xx), xx, x, xx,
        OfSkills(xx, xx, xx, xx), OfSkills(xx, xx, xx, xx),
        OfDeviations(x, x, x), OfDeviations(xx, xx, xx),
    )  # fmt: skip
    takes = (
        i, Cells(x, x, x, x, x, i, i, i, i, xx, i, xx, x), Llms(xx, i, x, i, i, i, x),
        Unknown(i, i, i, x, i, i, i, x, 0), parameters,
    )  # fmt: skip
    gives = 0.0, parameters, (xx, xx, xx, xx), (xx, xx, xx)
    return numba.typeof(gives)(*map(numba.typeof, takes))


_number = types.CPointer(types.float64)
_SCORES = _signature_of_scores()
_WHOLE = types.int64(
    types.int64, types.uint64, types.uint64, _number, _number, _number, _number, types.voidptr
)
_DENSITY = types.int64(types.uint64, _number, _number, _number, types.voidptr)
_REPORT = types.int64(types.uint64, types.uint64, _number, _number, types.voidptr)

_density_of_scores = caller_of(_SCORES)

# What the two functions are compiled for.
_SKILLS: Any = None
_LIKELIHOOD: Any = None


def _scores(memory, cells, llms, unknown, parameters):
    """Give the density of effects and scores, and its derivatives."""
    return posterior.density(memory, _SKILLS, _LIKELIHOOD, cells, llms, unknown, parameters)


def _whole(scores, n, n_reported, y_, gradient_, value_, reported_, address):
    """Write the log density at a point, its gradient and the variables; ``scores`` is an address.

    Gives zero, or one if the density is not finite.
    """
    directory = directory_at(address)
    y, gradient = numbers_at(y_, n), numbers_at(gradient_, n)
    reported, value = numbers_at(reported_, n_reported), numbers_at(value_, 1)
    centre, root = whitening(directory)
    memory = begin(integers(()))
    x = _unwhitened(memory, y, centre, root)
    value[0] = evaluate(
        memory, _SKILLS, _density_of_scores, scores, known(directory), x, y, gradient, reported
    )
    give_back(memory)
    _whiten_gradient(gradient, root)
    return 0 if np.isfinite(value[0] + _nothing_if_finite(gradient)) else 1


class Callbacks(NamedTuple):
    """Two C functions: for the log density and its gradient, and for the variables reported.

    ``parts`` is what both call, and must live as long as they do.
    """

    density: Any
    report: Any
    parts: tuple[CFunc, CFunc]


_compiled: Recent[Callbacks] = Recent(MAX_SKILLS * len(LIKELIHOODS))  # all there are


def callbacks(n_skills: int, likelihood: str) -> Callbacks:
    """Give the functions that nutpie calls, compiled once for a number of skills and a likelihood.

    Returns
    -------
    Callbacks
        Zero says that all went well, anything else that the density is not finite.
    """
    return _compiled.get(f"{n_skills} {likelihood}", lambda: _compile(n_skills, likelihood))


def _compile(n_skills: int, likelihood: str) -> Callbacks:
    scores, whole = _compile_parts(n_skills, likelihood)
    call, at = whole.ctypes, scores.address
    call.restype = ctypes.c_int64

    def density(n, y_, gradient_, value_, address):
        return call(at, n, 0, y_, gradient_, value_, value_, address)

    def report(n, n_reported, y_, reported_, address):
        gradient, value = np.empty(n), np.empty(1)
        call(at, n, n_reported, y_, gradient.ctypes, value.ctypes, reported_, address)
        return 0

    parts = (scores, whole)
    return Callbacks(numba.cfunc(_DENSITY)(density), numba.cfunc(_REPORT)(report), parts)


def _compile_parts(n_skills: int, likelihood: str) -> tuple[CFunc, CFunc]:
    scores, whole = _kept_scores(n_skills, likelihood), _kept_whole(n_skills)
    keep_whole = f"from {__name__} import keep_whole; keep_whole({n_skills})"
    with meanwhile(keep_whole) if whole.is_missing() else nullcontext():
        first = scores.compile()
    return first, whole.compile()


def keep_whole(n_skills: int) -> None:
    """Compile what is around the density of scores, and keep it for other processes."""
    _kept_whole(n_skills).compile()


def _kept_scores(n_skills: int, likelihood: str) -> Kept:
    constants = {"_SKILLS": (0,) * n_skills, "_LIKELIHOOD": LIKELIHOODS[likelihood]}
    return Kept(_SCORES, _scores, constants, f"{likelihood}_{n_skills}")


def _kept_whole(n_skills: int) -> Kept:
    return Kept(_WHOLE, _whole, {"_SKILLS": (0,) * n_skills}, f"{n_skills}")
