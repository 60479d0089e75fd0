"""The kernels as plain Python: for a few cells, compiling them would take far longer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from latentscale import ScalingModel
from latentscale.coordinates import (
    group_variables,
    known_arrays,
    middle_of_prior,
    parts_of,
    reported_variables,
    shared_variables,
)
from latentscale.kernels import (
    abilities,
    adding,
    benchmarks,
    callbacks,
    deviations,
    directory,
    elementary,
    features,
    laws,
    links,
    measuring,
    memory,
    own,
    posterior,
    scatter,
    scoring,
    skills,
    unknown,
    whole,
)

_MODULES = (
    abilities, adding, benchmarks, callbacks, deviations, directory, elementary, features, laws,
    links, measuring, memory, own, posterior, scatter, scoring, skills, unknown, whole,
)  # fmt: skip


def uncompile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchange every compiled function for the Python function that it was compiled from."""
    for module in _MODULES:
        for name, value in vars(module).items():
            if isinstance(value, Dispatcher):
                monkeypatch.setattr(module, name, value.py_func)
    # What reads the bits of a number cannot run as Python, and only compiled code has a stack and
    # a memory.
    for name, python in (("exp", math.exp), ("log", math.log)):
        for module in (elementary, links, scatter, skills):
            monkeypatch.setattr(module, name, python, raising=False)
    for name, python in (("empty", _empty), ("filled", _filled)):
        for module in _MODULES:
            monkeypatch.setattr(module, name, python, raising=False)
    for name, shape in (("vector", (None,)), ("one_row", (1, None)), ("matrix", (None, None))):
        for module in (scoring, skills):
            monkeypatch.setattr(module, name, _room(shape), raising=False)
    for name, functions in scatter.LIKELIHOODS.items():
        as_python = scatter.Likelihood(*(function.py_func for function in functions))
        monkeypatch.setitem(scatter.LIKELIHOODS, name, as_python)


def _empty(memory: None, shape: tuple[int, ...]) -> np.ndarray:
    """Give an array of which nothing is set."""
    return np.full(shape, np.nan)


def _filled(memory: None, shape: tuple[int, ...], value: float) -> np.ndarray:
    return np.full(shape, value)


def _room(shape: tuple[int | None, ...]) -> Callable[[tuple[int, ...]], np.ndarray]:
    """Give what makes an array of which nothing is set."""
    return lambda skills: np.full([size or len(skills) for size in shape], np.nan)


class UncompiledDensity:
    """The log density of a model in its coordinates, after :func:`uncompile`."""

    def __init__(self, model: ScalingModel, **arrays: np.ndarray) -> None:
        design, spec = model.design, model.spec
        self.spec, self.reported = spec, reported_variables(design, spec)
        known = {**known_arrays(design, spec, model.priors), **arrays}
        self.known = directory.known_of(*(known[name] for name in directory.ARRAYS[:-2]))
        self.middle = middle_of_prior(design, spec, model.priors)
        variables = (*shared_variables(design, spec), *group_variables(design, spec))
        self.parts = parts_of(variables)
        self.size = sum(each.size for each in variables)

    def somewhere(self, seed: int = 0, scale: float = 0.3) -> np.ndarray:
        """Give a point in the middle of nowhere."""
        point = scale * np.random.default_rng(seed).standard_normal(self.size)
        point[: len(self.middle)] += self.middle
        return point

    def at(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Give the log density and its gradient."""
        gradient = np.full(self.size, np.nan)
        return self._evaluate(point, gradient, np.empty(0)), gradient

    def report(self, point: np.ndarray) -> Mapping[str, np.ndarray]:
        """Give the variables of the model."""
        flat = np.full(sum(each.size for each in self.reported), np.nan)
        self._evaluate(point, np.empty(self.size), flat)
        parts = np.split(flat, np.cumsum([each.size for each in self.reported])[:-1])
        return {
            each.name: part.reshape(each.shape)
            for each, part in zip(self.reported, parts, strict=True)
        }

    def _evaluate(self, point: np.ndarray, gradient: np.ndarray, reported: np.ndarray) -> float:
        n_skills = (0,) * self.spec.skills
        how = n_skills, scatter.LIKELIHOODS[self.spec.likelihood]
        given = (self.known, point, point, gradient, reported)
        return float(whole.evaluate(None, n_skills, _density, how, *given))


def _density(how: tuple[Any, Any], arguments: tuple[Any, ...]) -> Any:
    given, *rest = arguments
    return posterior.density(given, *how, *rest)
