"""A fixed linear change of some of a compiled density's coordinates, for nutpie.

Around the group effects stand the parameters that all LLMs share: loadings, difficulties, slopes,
scales. They are few and strongly correlated, which a diagonal mass matrix cannot see and a
mass matrix of everything would be too large for. So they alone are whitened: x = centre + factor y,
with mean and root of a Normal approximation (:mod:`latentscale.approximation`).

This reaches into nutpie's compiled model (its C functions and its record of data), which is why
nutpie's minor version is pinned; ``tests/test_whitening.py`` fails if what it relies on changes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from nutpie.compile_pymc import address_as_void_pointer


def whiten(
    compiled: Any,
    positions: np.ndarray,
    centre: np.ndarray,
    factor: np.ndarray,
    start: Callable[..., np.ndarray],
) -> Any:
    """Compose a compiled model with x[positions] = centre + factor y[positions].

    Parameters
    ----------
    compiled
        A model compiled by nutpie with the numba backend.
    positions : numpy.ndarray of int
    centre : numpy.ndarray, dims (position,)
    factor : numpy.ndarray, dims (position, position)
    start : callable
        Where a chain starts, in the new coordinates, from its seed.

    Returns
    -------
    The same model in the new coordinates: the posterior that it stores is the same.
    """
    arrays = (
        np.ascontiguousarray(positions, dtype=np.int64),
        np.ascontiguousarray(centre, dtype=float),
        np.ascontiguousarray(factor, dtype=float),
        compiled.user_data,
    )
    new_density, new_expand = _composed(
        compiled.compiled_logp_func, compiled.compiled_expand_func, compiled.n_dim, len(positions)
    )
    return replace(
        compiled,
        compiled_logp_func=new_density,
        compiled_expand_func=new_expand,
        user_data=np.array([array.ctypes.data for array in arrays], dtype=np.uint64),
        initial_point_func=_Keeping(start, (compiled, arrays)),
    )


@lru_cache(maxsize=3)
def _composed(density: Any, expand: Any, n: int, size: int) -> tuple[Any, Any]:
    """Compile the density and the expansion of the new coordinates around those of the old.

    There are ``n`` coordinates, ``size`` of them changed. The last argument of the new functions is
    the address of four others: positions, centre, factor, old data. So one compilation serves all
    centres, factors and data.
    """
    call_density, call_expand = density.ctypes, expand.ctypes
    call_density.restype = ctypes.c_int64

    @numba.njit
    def unpack(address):
        fields = numba.carray(address, (4,), np.uint64)
        where = numba.carray(address_as_void_pointer(fields[0]), (size,), np.int64)
        middle = numba.carray(address_as_void_pointer(fields[1]), (size,), np.float64)
        matrix = numba.carray(address_as_void_pointer(fields[2]), (size, size), np.float64)
        return where, middle, matrix, address_as_void_pointer(fields[3])

    @numba.njit
    def to_plain(y, where, middle, matrix):
        x = y.copy()
        for i in range(size):
            total = middle[i]
            for j in range(size):
                total += matrix[i, j] * y[where[j]]
            x[where[i]] = total
        return x

    def new_density(dim, y_, out_, density_, address):
        where, middle, matrix, data = unpack(address)
        out = numba.carray(out_, (n,))
        x = to_plain(numba.carray(y_, (n,)), where, middle, matrix)
        plain = np.empty(n)
        status = call_density(dim, x.ctypes, plain.ctypes, density_, data)
        out[:] = plain
        for j in range(size):
            out[where[j]] = 0.0
        for i in range(size):
            slope = plain[where[i]]
            for j in range(size):
                out[where[j]] += matrix[i, j] * slope
        return status

    def new_expand(dim, n_expanded, y_, out_, address):
        where, middle, matrix, data = unpack(address)
        x = to_plain(numba.carray(y_, (n,)), where, middle, matrix)
        return call_expand(dim, n_expanded, x.ctypes, out_, data)

    return numba.cfunc(density._sig)(new_density), numba.cfunc(expand._sig)(new_expand)


@dataclass(frozen=True, eq=False)
class _Keeping:
    """A function of the seed that keeps alive what compiled code holds the addresses of."""

    function: Callable[..., np.ndarray]
    kept: tuple[Any, ...]

    def __call__(self, seed: Any) -> np.ndarray:
        """Give the point where a chain starts."""
        return self.function(seed)
