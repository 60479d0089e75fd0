"""The log density of a model in its coordinates, compiled: for nutpie, and for plain functions.

What is compiled depends on the number of skills and the likelihood alone
(:mod:`latentscale.kernels.callbacks`); tables, features and priors are data. The functions run
without Python's lock, so that threads share the work.

This fills in nutpie's compiled model by hand, which is why nutpie's minor version is pinned;
``tests/test_compiled_density.py`` fails if what it relies on changes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from latentscale import coordinates
from latentscale.coordinates import Variable
from latentscale.kernels.callbacks import Callbacks, callbacks
from latentscale.kernels.directory import ARRAYS, INTEGERS, directory_of
from latentscale.slope_guess import SlopeGuess

if TYPE_CHECKING:
    from latentscale.model import ScalingModel

# Step of the finite differences, in units of a coordinate of unit scale.
_STEP = 1e-4

_DOUBLES = ctypes.POINTER(ctypes.c_double)


@dataclass(frozen=True, eq=False, repr=False)
class CompiledDensity:
    """The log density of the coordinates of a model; the shared parameters come first.

    Attributes
    ----------
    functions : Callbacks
    arrays : dict of str to numpy.ndarray
        What they read, by the names of their directory.
    order : numpy.ndarray of int, dims (obs,)
        The kernels' order of the scores of the design.
    reported : list of Variable
        What the posterior reports.
    coords : dict of str to list of str
        Labels of its dims.
    """

    functions: Callbacks
    arrays: Mapping[str, np.ndarray]
    order: np.ndarray
    reported: list[Variable]
    coords: Mapping[str, list[str]]

    @cached_property
    def size(self) -> int:
        """Number of coordinates."""
        return int(self.arrays["places"][:, 1:].prod(axis=1).sum())

    @property
    def n_shared(self) -> int:
        """How many of the coordinates are shared by all LLMs."""
        return len(self.arrays["centre"])

    def about(self, guess: np.ndarray, at_floor: np.ndarray) -> CompiledDensity:
        """Give the same in coordinates about other rough expectations.

        Parameters
        ----------
        guess : numpy.ndarray, dims (obs,)
        at_floor : numpy.ndarray, dims (obs,)
            How little each score tells of how far below it its LLM may be, in [0, 1].
        """
        return self._with(guess=guess[self.order], at_floor=at_floor[self.order])

    def with_slopes(self, guess: SlopeGuess) -> CompiledDensity:
        """Give the same in coordinates of slopes that follow another guess of them."""
        return self._with(**guess.arrays())

    def whitened(self, centre: np.ndarray, root: np.ndarray) -> CompiledDensity:
        """Give the same with shared parameters that are centre + root y at a point y.

        Of the root only the lower triangle is read.
        """
        return self._with(centre=centre, root=root)

    def _with(self, **arrays: np.ndarray) -> CompiledDensity:
        return replace(self, arrays={**self.arrays, **_prepared(arrays)})

    def at(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Give the log density and its gradient at a point, dims (coordinate,).

        Neither is finite where the model is not defined.
        """
        point, gradient, value = np.array(point, dtype=float), np.empty(self.size), np.empty(())
        directory, pointers = self._directory, map(_pointer, (point, gradient, value))
        self.functions.density.ctypes(self.size, *pointers, directory.ctypes.data)
        return float(value), gradient

    def report(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Compute the variables of the model at points, dims (point, coordinate).

        Returns
        -------
        dict of str to numpy.ndarray, dims (point, ...)
        """
        directory, n = self._directory, self.n_reported
        rows = np.empty((len(points), n))
        for point, row in zip(np.ascontiguousarray(points, dtype=float), rows, strict=True):
            self.functions.report.ctypes(
                self.size, n, _pointer(point), _pointer(row), directory.ctypes.data
            )
        parts = np.split(rows, np.cumsum([each.size for each in self.reported])[:-1], axis=1)
        return {
            each.name: part.reshape(len(points), *each.shape)
            for each, part in zip(self.reported, parts, strict=True)
        }

    @property
    def n_reported(self) -> int:
        """How many numbers the posterior reports."""
        return sum(each.size for each in self.reported)

    def information(self, points: np.ndarray, pool: Executor) -> np.ndarray:
        """Average minus the second derivatives by the shared parameters over points.

        Parameters
        ----------
        points : numpy.ndarray, dims (point, coordinate)
        pool : concurrent.futures.Executor
            Of threads.

        Returns
        -------
        numpy.ndarray, dims (shared, shared)
            Symmetric; points where the derivatives are not finite are left out, and the identity
            if none is left.
        """
        n = self.n_shared

        def at(point: np.ndarray) -> np.ndarray:
            here, rows = self.at(point)[1][:n], np.empty((n, n))
            for position in range(n):
                ahead = point.copy()
                ahead[position] += _STEP
                rows[position] = (here - self.at(ahead)[1][:n]) / _STEP
            return (rows + rows.T) / 2

        found = [rows for rows in pool.map(at, points) if np.isfinite(rows).all()]
        return np.mean(found, axis=0) if found else np.eye(n)

    def for_nutpie(self, start: Callable[[Any], np.ndarray]) -> Any:
        """Give it as a model that nutpie samples.

        Parameters
        ----------
        start : callable
            Where a chain starts, from its seed; dims (coordinate,).

        Returns
        -------
        nutpie.compile_pymc.CompiledPyMCModel
        """
        import pandas as pd
        from nutpie.compile_pymc import CompiledPyMCModel

        directory, names = self._directory, [each.name for each in self.reported]
        shapes = [each.shape for each in self.reported]
        labels: dict[str, Any] = {dim: pd.Index(values) for dim, values in self.coords.items()}
        labels["unconstrained_parameter"] = pd.RangeIndex(self.size)
        return CompiledPyMCModel(
            compiled_logp_func=self.functions.density,
            compiled_expand_func=self.functions.report,
            initial_point_func=start,
            shared_data=dict(self.arrays),  # kept alive by the model
            shared_var_keys={},
            user_data=directory,
            n_expanded=self.n_reported,
            shape_info=(names, [], shapes),
            logp_func=None,
            expand_func=None,
            dims={each.name: each.dims for each in self.reported},
            reparameterized_names=[],
            _n_dim=self.size,
            _shapes=dict(zip(names, shapes, strict=True)),
            _coords=labels,
        )

    @cached_property
    def _directory(self) -> np.ndarray:
        return directory_of([self.arrays[name] for name in ARRAYS])


def compile_density(model: ScalingModel) -> CompiledDensity:
    """Compile the density of a model, or take what is compiled already, and give it its data.

    Parameters
    ----------
    model : ScalingModel

    Returns
    -------
    CompiledDensity
        About rough expectations from the scores alone, and not whitened.
    """
    design, spec = model.design, model.spec
    return CompiledDensity(
        functions=callbacks(spec.skills, spec.likelihood),
        arrays=_prepared(coordinates.known_arrays(design, spec, model.priors)),
        order=coordinates.order_of_cells(design),
        reported=coordinates.reported_variables(design, spec),
        coords=coordinates.coords(design, spec),
    )


def _prepared(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Lay arrays out as the kernels read them: in one piece, of one of two kinds, unchanging."""
    found = {}
    for name, array in arrays.items():
        dtype = np.int64 if name in INTEGERS else np.float64
        found[name] = np.array(array, dtype=dtype, order="C", copy=True)
        found[name].flags.writeable = False
    return found


def _pointer(array: np.ndarray) -> Any:
    return array.ctypes.data_as(_DOUBLES)
