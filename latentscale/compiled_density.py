"""A compiled log density as plain functions of the sampler's coordinates.

Like :mod:`latentscale.whitening`, this reaches into nutpie's compiled model, which is why nutpie's
minor version is pinned. The functions run without Python's lock, so that threads share the work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np

# Step of the finite differences, in units of a coordinate of unit scale.
_STEP = 1e-4

_DOUBLES = ctypes.POINTER(ctypes.c_double)


def density_and_gradient(compiled: Any) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Give the log density and its gradient as a function of the point, dims (coordinate,)."""
    function, data, n = compiled.compiled_logp_func.ctypes, compiled.user_data, compiled.n_dim

    def at(point: np.ndarray) -> tuple[float, np.ndarray]:
        point, out, density = np.array(point, dtype=float), np.empty(n), np.empty(())
        pointers = [_pointer(array) for array in (point, out, density)]
        function(n, *pointers, data.ctypes.data)
        return float(density), out

    return at


def gradient_of(compiled: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Give the gradient of the log density as a function of the point."""
    at = density_and_gradient(compiled)
    return lambda point: at(point)[1]


def expand(compiled: Any, points: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the variables of the model at points of the sampler's coordinates.

    Parameters
    ----------
    compiled
        A model compiled by nutpie with the numba backend.
    points : numpy.ndarray, dims (point, coordinate)

    Returns
    -------
    dict of str to numpy.ndarray, dims (point, ...)
    """
    function, data, n = compiled.compiled_expand_func.ctypes, compiled.user_data, compiled.n_dim
    rows = np.empty((len(points), compiled.n_expanded))
    for point, row in zip(np.ascontiguousarray(points, dtype=float), rows, strict=True):
        function(n, compiled.n_expanded, _pointer(point), _pointer(row), data.ctypes.data)
    names, slices, shapes = compiled.shape_info
    return {
        name: rows[:, part].reshape(len(points), *(int(size) for size in np.ravel(shape)))
        for name, part, shape in zip(names, slices, shapes, strict=True)
    }


def mean_information(
    compiled: Any, points: np.ndarray, positions: np.ndarray, pool: Executor
) -> np.ndarray:
    """Average minus the second derivatives of a log density over points, for some coordinates.

    Parameters
    ----------
    compiled
        A model compiled by nutpie with the numba backend.
    points : numpy.ndarray, dims (point, coordinate)
    positions : numpy.ndarray of int
        The coordinates to differentiate by.
    pool : concurrent.futures.Executor
        Of threads.

    Returns
    -------
    numpy.ndarray, dims (position, position)
        Symmetric; points where the derivatives are not finite are left out, and the identity if
        none is left.
    """
    gradient = gradient_of(compiled)

    def at(point: np.ndarray) -> np.ndarray:
        here, rows = gradient(point)[positions], np.empty((len(positions), len(positions)))
        for row, position in enumerate(positions):
            ahead = point.copy()
            ahead[position] += _STEP
            rows[row] = (here - gradient(ahead)[positions]) / _STEP
        return (rows + rows.T) / 2

    found = [rows for rows in pool.map(at, points) if np.isfinite(rows).all()]
    return np.mean(found, axis=0) if found else np.eye(len(positions))


def _pointer(array: np.ndarray) -> Any:
    return array.ctypes.data_as(_DOUBLES)
