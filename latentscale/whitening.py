"""A fixed linear change of some of a compiled density's coordinates, for nutpie.

Around the group effects stand the parameters that all LLMs share: loadings, difficulties, slopes,
scales. They are few and strongly correlated, which a diagonal mass matrix cannot see and a
mass matrix of everything would be too large for. So they alone are whitened: x = centre + factor y,
with factor the inverse root of the mean information at points of a pilot run.

This reaches into nutpie's compiled model (its C functions and its record of data), which is why
nutpie's minor version is pinned; ``tests/test_whitening.py`` fails if what it relies on changes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from nutpie.compile_pymc import address_as_void_pointer

# Steps of the finite differences, in units of a coordinate of unit scale.
_STEP = 1e-4

# A direction is not stretched beyond this many units, however little is known along it.
_LEAST_INFORMATION = 0.25

_DOUBLES = ctypes.POINTER(ctypes.c_double)


def gradient_of(compiled: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Give the gradient of a compiled log density as a function of the unconstrained point."""
    function, data, n = compiled.compiled_logp_func.ctypes, compiled.user_data, compiled.n_dim

    def gradient(point: np.ndarray) -> np.ndarray:
        point, out, density = np.array(point, dtype=float), np.empty(n), np.empty(())
        pointers = [array.ctypes.data_as(_DOUBLES) for array in (point, out, density)]
        function(n, *pointers, data.ctypes.data)
        return out

    return gradient


def mean_information(compiled: Any, points: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Average minus the second derivatives of a log density over points, for some coordinates.

    Parameters
    ----------
    compiled
        A model compiled by nutpie with the numba backend.
    points : numpy.ndarray, dims (point, coordinate)
    positions : numpy.ndarray of int
        The coordinates to differentiate by.

    Returns
    -------
    numpy.ndarray, dims (position, position)
        Symmetric; points where the density is not finite are left out.
    """
    gradient = gradient_of(compiled)

    def at(point: np.ndarray) -> np.ndarray:
        rows = np.empty((len(positions), len(positions)))
        for row, position in enumerate(positions):
            ahead, behind = point.copy(), point.copy()
            ahead[position] += _STEP
            behind[position] -= _STEP
            rows[row] = (gradient(behind) - gradient(ahead))[positions] / (2 * _STEP)
        return (rows + rows.T) / 2

    with ThreadPoolExecutor() as pool:  # the compiled function runs without Python's lock
        found = [rows for rows in pool.map(at, points) if np.isfinite(rows).all()]
    return np.mean(found, axis=0) if found else np.eye(len(positions))


def inverse_root(information: np.ndarray) -> np.ndarray:
    """Give the symmetric inverse square root, bounded where there is little information."""
    values, vectors = np.linalg.eigh(information)
    root: np.ndarray = (vectors / np.sqrt(np.maximum(values, _LEAST_INFORMATION))) @ vectors.T
    return root


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
    new_density, new_expand = _composed(compiled, len(positions))
    return replace(
        compiled,
        compiled_logp_func=new_density,
        compiled_expand_func=new_expand,
        user_data=np.array([array.ctypes.data for array in arrays], dtype=np.uint64),
        initial_point_func=_Keeping(start, (compiled, arrays)),
    )


def _composed(compiled: Any, size: int) -> tuple[Any, Any]:
    """Compile the density and the expansion of the new coordinates around those of the old.

    Their last argument is the address of four others: positions, centre, factor, old data.
    """
    n = compiled.n_dim
    density, expand = compiled.compiled_logp_func, compiled.compiled_expand_func
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
