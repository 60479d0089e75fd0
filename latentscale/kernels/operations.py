"""The kernels as operations of PyTensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numba
import numpy as np
import pytensor.tensor as pt
from numba import types
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from latentscale.kernels import gram, posterior
from latentscale.kernels.arguments import (
    Benchmarks,
    Cells,
    Curve,
    Llms,
    OfDeviations,
    OfSkills,
    Parameters,
    Scatter,
)
from latentscale.kernels.scatter import FUNCTIONS

# Numbers of dims of the parameters, in the order of the groups; where the w are among them; and how
# many arrays are known.
_PARAMETERS = (1, 1, 1, 1, 1, 1, 2, 1, 2, 2, 1, 1, 1, 2, 2, 2, 1, 1, 2, 2)
_W = (13, 14, 15, 18, 19)
_KNOWN = 9


def effects_and_density(
    n_skills: int, likelihood: str, cells: Cells, llms: Llms, parameters: Parameters
) -> tuple[list[Any], Any]:
    """Give the values of all groups and the log density, as :mod:`latentscale.kernels.posterior`.

    The values cannot be differentiated: the density is what depends on them.

    Parameters
    ----------
    n_skills : int
    likelihood : str
    cells : Cells
    llms : Llms
    parameters : Parameters
        Groups of variables of the graph.

    Returns
    -------
    values : list of variables
        On skills of families, recipes and LLMs, dims (group, skill); deviations of families and
        recipes, dims (group, benchmark).
    density : variable
        A scalar.
    """
    inputs = [pt.as_tensor(value).astype(float) for value in _flat(parameters)]
    for value in (*cells, *llms):
        known = pt.as_tensor(value)
        inputs.append(known.astype("int64" if known.dtype.startswith("int") else float))
    values: Any = _Effects(n_skills, likelihood)(*inputs)
    density: Any = _Density(n_skills, likelihood)(*inputs, return_list=True)
    return list(values), density[0]


def log_gram(n_skills: int, loading: Any) -> Any:
    """Give log det(loading' loading), a scalar."""
    found: Any = _LogGram(n_skills)(loading, return_list=True)
    return found[0]


def _flat(parameters: Parameters) -> list[Any]:
    flat: list[Any] = []
    for group in parameters:
        flat += group if isinstance(group, tuple) else [group]
    return flat


@numba_njit
def _grouped(i: Any) -> Any:
    """Group what :func:`_flat` and the known have laid side by side, each in one piece."""
    one = np.ascontiguousarray
    parameters = Parameters(
        Curve(one(i[0]), one(i[1]), one(i[2])), Scatter(one(i[3]), one(i[4])),
        Benchmarks(one(i[5]), one(i[6]), one(i[7]), one(i[8])), one(i[9]),
        OfSkills(one(i[10]), one(i[11]), one(i[12])), OfSkills(one(i[13]), one(i[14]), one(i[15])),
        OfDeviations(one(i[16]), one(i[17])), OfDeviations(one(i[18]), one(i[19])),
    )  # fmt: skip
    cells = Cells(one(i[20]), one(i[21]), one(i[22]), one(i[23]), one(i[24]))
    return cells, Llms(one(i[25]), one(i[26]), one(i[27]), one(i[28])), parameters


@numba_njit
def _laid_out(value: Any, d: Any) -> Any:
    """Lay a value and grouped derivatives side by side, as :func:`_flat` does."""
    return (
        np.asarray(value), d.curve.floor, d.curve.ceiling, d.curve.asymmetry, d.scatter.precision,
        d.scatter.tail, d.benchmarks.difficulty, d.benchmarks.slope, d.benchmarks.tuning,
        d.benchmarks.loading, d.explained, d.precisions.family, d.precisions.recipe,
        d.precisions.llm, d.w.family, d.w.recipe, d.w.llm, d.deviation_precisions.family,
        d.deviation_precisions.recipe, d.deviation_w.family, d.deviation_w.recipe,
    )  # fmt: skip


_TYPES = {
    name: {n: types.Array(dtype, n, "C") for n in (1, 2)}
    for name, dtype in (("number", types.float64), ("position", types.int64))
}


def _group_type(members: Sequence[Any], groups: Any) -> Any:
    return types.BaseTuple.from_types(tuple(members), groups)


def _type_of(groups: Any, dims: Iterator[int]) -> Any:
    """Give the numba type of a named group of arrays of numbers."""
    return _group_type([_TYPES["number"][next(dims)] for _ in groups._fields], groups)


def _types() -> tuple[Any, Any]:
    """Give the types of what the kernels take: cells, LLMs and parameters; and of parameters."""
    dims = iter(_PARAMETERS)
    groups = (Curve, Scatter, Benchmarks, None, OfSkills, OfSkills, OfDeviations, OfDeviations)
    members = [
        _TYPES["number"][next(dims)] if group is None else _type_of(group, dims) for group in groups
    ]
    parameters = _group_type(members, Parameters)
    number, position = _TYPES["number"], _TYPES["position"]
    cells = _group_type([number[1]] * 3 + [position[1]] * 2, Cells)
    llms = _group_type([number[2], number[1], position[1], position[1]], Llms)
    return types.Tuple((cells, llms, parameters)), parameters


@lru_cache
def _apart(make: Callable[..., Any], n_skills: int, likelihood: str) -> Any:
    """Compile a kernel apart from the graph that calls it.

    Compiled along with the graph it would be optimised again at each level of calls.
    """
    function, returns = make(n_skills, likelihood)
    taken, _ = _types()
    return numba.cfunc(returns(taken))(function)


def _effects_of(n_skills: int, likelihood: str) -> tuple[Any, Any]:
    """Give the function that finds the values of all groups, and the type of these."""
    skills, (_, _, information_of) = (0,) * n_skills, FUNCTIONS[likelihood]

    def effects(known_and_parameters: Any) -> Any:
        cells, llms, parameters = known_and_parameters
        return posterior.effects(skills, information_of, cells, llms, parameters)

    return effects, types.UniTuple(_TYPES["number"][2], 5)


def _density_of(n_skills: int, likelihood: str) -> tuple[Any, Any]:
    """Give the function that finds the density and its derivatives, and the type of these."""
    skills, functions = (0,) * n_skills, FUNCTIONS[likelihood]
    constant_of, density_of, information_of = functions

    def density(known_and_parameters: Any) -> Any:
        cells, llms, parameters = known_and_parameters
        return posterior.density(
            skills, constant_of, density_of, information_of, cells, llms, parameters
        )

    return density, types.Tuple((types.float64, _types()[1]))


class _Kernel(Op):
    """An operation whose settings say which kernel to compile."""

    def kernel(self, for_python: bool) -> Callable[..., Any]:
        """Give a compiled function of the inputs; what only compiled code calls compiles faster."""
        raise NotImplementedError

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        values = _for_python(self)(*inputs)
        for place, value in zip(output_storage, values, strict=True):
            place[0] = np.asarray(value)


@lru_cache
def _for_python(op: _Kernel) -> Callable[..., Any]:
    return op.kernel(for_python=True)


class _WithDerivatives(_Kernel):
    """A kernel whose outputs are a value and its derivatives: found together, computed once.

    ``n_known`` inputs, the last, have none.
    """

    n_known: ClassVar[int] = 0

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Any) -> list[Any]:
        by_value, *others = grads
        if not all(isinstance(grad.type, DisconnectedType) for grad in others):
            raise NotImplementedError("The kernels have first derivatives only.")
        found = [by_value * derivative for derivative in outputs[1:]]
        return [*found, *(disconnected_type() for _ in range(self.n_known))]

    def L_op(self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Any) -> list[Any]:
        return self.pullback(inputs, outputs, grads)


class _OfPosterior(_Kernel):
    __props__ = ("n_skills", "likelihood")

    def __init__(self, n_skills: int, likelihood: str) -> None:
        self.n_skills = n_skills
        self.likelihood = likelihood

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        n = len(node.outputs)
        return [[True] * n] * len(_PARAMETERS) + [[False] * n] * _KNOWN


class _Effects(_OfPosterior):
    """Values of all groups."""

    def make_node(self, *inputs: Any) -> Apply:
        return Apply(self, list(inputs), [pt.dmatrix() for _ in range(5)])

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """Say that values have the shapes of their w."""
        return [shapes[position] for position in _W]

    def kernel(self, for_python: bool) -> Callable[..., Any]:
        effects = _apart(_effects_of, self.n_skills, self.likelihood)

        @numba_njit(final_function=for_python)
        def values(*inputs: Any) -> Any:
            return effects(_grouped(inputs))

        return values


class _Density(_WithDerivatives, _OfPosterior):
    """The log density and its derivatives."""

    n_known = _KNOWN

    def make_node(self, *inputs: Any) -> Apply:
        derivatives = [pt.tensor(dtype="float64", shape=(None,) * n) for n in _PARAMETERS]
        return Apply(self, list(inputs), [pt.dscalar(), *derivatives])

    def kernel(self, for_python: bool) -> Callable[..., Any]:
        density = _apart(_density_of, self.n_skills, self.likelihood)

        @numba_njit(final_function=for_python)
        def value_and_derivatives(*inputs: Any) -> Any:
            value, derivatives = density(_grouped(inputs))
            return _laid_out(value, derivatives)

        return value_and_derivatives

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """Say that a derivative has the shape of what it is by."""
        return [(), *shapes[: len(_PARAMETERS)]]


class _LogGram(_WithDerivatives):
    """The log determinant of loading' loading, and its derivative."""

    __props__ = ("n_skills",)

    def __init__(self, n_skills: int) -> None:
        self.n_skills = n_skills

    def make_node(self, *inputs: Any) -> Apply:
        [loading] = inputs
        return Apply(self, [pt.as_tensor(loading)], [pt.dscalar(), pt.dmatrix()])

    def kernel(self, for_python: bool) -> Callable[..., Any]:
        skills = (0,) * self.n_skills

        @numba_njit(final_function=for_python)
        def value_and_derivative(loading: Any) -> Any:
            value, derivative = gram.log_gram_and_slope(skills, loading)
            return np.asarray(value), derivative

        return value_and_derivative


@register_funcify_and_cache_key(_Effects)
@register_funcify_and_cache_key(_Density)
@register_funcify_and_cache_key(_LogGram)
def _funcify(op: _Kernel, node: Apply, **settings: Any) -> tuple[Callable[..., Any], None]:
    """Compile an operation; not for the disk, where code of another version would be found."""
    return op.kernel(for_python=False), None
