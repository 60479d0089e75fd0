"""Gaussian smoothing on the tree family > recipe > LLM, with its derivative.

Each node has a vector of K skills::

    family_f ~ Normal(0, 1 / precision_family)
    recipe_r ~ Normal(family_f(r), 1 / precision_recipe)
    llm_i    ~ Normal(recipe_r(i), 1 / precision_llm)

and scores are Normal measurements of it: score o of LLM i on benchmark j measures
``loading_j . llm_i`` with value ``left_o`` and information ``u_o``, blurred by a variance of its
own. Together they say about each LLM that its log likelihood is
``pull . llm - llm' known llm / 2``.
Information is passed up the tree, each node integrated out in turn, and estimates down it: the
conditional mean of each node given its parent, plus ``w`` times its conditional spread,

    node = Q^-1 (precision parent + pull) + C^-T w,   Q = known + precision = C C'.

So standard Normal ``w`` give a draw of the joint conditional distribution, and the log Jacobian of
the map from ``w`` to the nodes is minus the sum of the logarithms of the diagonals of all C.

The recursions are those of Kalman smoothing on a tree (Chou, Willsky and Benveniste, 1994, IEEE
Transactions on Automatic Control 39). Written in PyTensor's own operations they take minutes to
compile; here they and their reverses are numba functions (:mod:`latentscale.recursions`, and for
deviations on single benchmarks :mod:`latentscale.scalar_recursions`), which run over the scores
that there are, so that missing ones cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from latentscale import gram, recursions, scalar_recursions


def smooth_effects(n_skills: int, *inputs: Any) -> list[Any]:
    """Smooth skills.

    Parameters
    ----------
    n_skills : int
    information, left : dims (obs,)
        Of each score: its information about eta, and the value of eta that it measures less what
        is known of eta otherwise.
    loading : dims (benchmark, skill)
    blur : dims (benchmark,)
        Variance that lies between a skill and a score.
    precision_llm, precision_recipe, precision_family : dims (skill,)
    w_llm, w_recipe, w_family : dims (group, skill)
    llm_of_obs, benchmark_of_obs : int, dims (obs,)
    recipe_of_llm, family_of_recipe : int, dims (llm,) and (recipe,)
        Positions of the parents.

    Returns
    -------
    list of variables
        Families, recipes and LLMs, dims (group, skill), and the log Jacobian, dims (1,).
    """
    found: Any = _Recursion("effects", n_skills)(*inputs)
    return list(found)


def smooth_deviations(*inputs: Any) -> list[Any]:
    """Smooth deviations, benchmark by benchmark: the same on two levels of single numbers.

    Parameters
    ----------
    information, left : dims (obs,)
        As above.
    precision_recipe, precision_family : dims (benchmark,)
    w_recipe, w_family : dims (group, benchmark)
    recipe_of_obs, benchmark_of_obs : int, dims (obs,)
    family_of_recipe : int, dims (recipe,)

    Returns
    -------
    list of variables
        Families and recipes, dims (group, benchmark), and the log Jacobian, dims (1,).
    """
    found: Any = _Recursion("deviations")(*inputs)
    return list(found)


def log_gram(n_skills: int, loading: Any) -> Any:
    """Give log det(loading' loading); of so small a matrix LAPACK's would take longest of all."""
    found: Any = _Recursion("gram", n_skills)(loading)
    return found[0]


@dataclass(frozen=True)
class _Kernel:
    """A numba function of arrays, and its reverse.

    ``floats`` and ``positions`` are the numbers of dims of its inputs, those of integers last;
    ``outputs`` of its outputs. The reverse takes all inputs and the derivatives by the outputs, and
    gives the derivatives by the floats. Before all these, both take the tuple ``skills`` where
    there are skills.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    floats: tuple[int, ...]
    positions: int
    outputs: tuple[int, ...]


_KERNELS: Mapping[str, _Kernel] = {
    "effects": _Kernel(
        recursions.forward, recursions.backward, (1, 1, 2, 1, 1, 1, 1, 2, 2, 2), 4, (2, 2, 2, 1)
    ),
    "deviations": _Kernel(
        scalar_recursions.forward, scalar_recursions.backward, (1, 1, 1, 1, 2, 2), 3, (2, 2, 1)
    ),
    "gram": _Kernel(gram.forward, gram.backward, (2,), 0, (1,)),
}


class _Kernels(Op):
    """What an operation has of a kernel: its name, and the number of skills or None."""

    __props__ = ("name", "n_skills")

    side: ClassVar[str]

    def __init__(self, name: str, n_skills: int | None = None) -> None:
        self.name = name
        self.n_skills = n_skills

    @property
    def kernel(self) -> _Kernel:
        return _KERNELS[self.name]

    @property
    def function(self) -> Callable[..., Any]:
        """The kernel or its reverse."""
        found: Callable[..., Any] = getattr(self.kernel, self.side)
        return found

    @property
    def first(self) -> tuple[tuple[int, ...], ...]:
        """What the function takes before the inputs."""
        return () if self.n_skills is None else ((0,) * self.n_skills,)

    def make_node(self, *inputs: Any) -> Apply:
        dims = self.kernel.outputs if self.side == "forward" else self.kernel.floats
        outputs = [pt.tensor(dtype="float64", shape=(None,) * n) for n in dims]
        return Apply(self, [pt.as_tensor(x) for x in inputs], outputs)

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        values = self.function(*self.first, *map(np.ascontiguousarray, inputs))
        for place, value in zip(output_storage, values, strict=True):
            place[0] = value


class _Recursion(_Kernels):
    """A kernel as an operation of PyTensor."""

    side = "forward"

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        kernel, n = self.kernel, len(self.kernel.outputs)
        return [[True] * n for _ in kernel.floats] + [[False] * n] * kernel.positions

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Any) -> list[Any]:
        filled = [
            pt.zeros_like(output) if isinstance(grad.type, DisconnectedType) else grad
            for grad, output in zip(grads, outputs, strict=True)
        ]
        found: Any = _Pullback(self.name, self.n_skills)(*inputs, *filled, return_list=True)
        return [*found, *(disconnected_type() for _ in range(self.kernel.positions))]

    def L_op(self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Any) -> list[Any]:
        return self.pullback(inputs, outputs, grads)


class _Pullback(_Kernels):
    """The reverse of a kernel as an operation of PyTensor."""

    side = "backward"


@register_funcify_default_op_cache_key(_Recursion)  # type: ignore[untyped-decorator]
@register_funcify_default_op_cache_key(_Pullback)  # type: ignore[untyped-decorator]
def _funcify(op: _Kernels, node: Apply, **settings: Any) -> Any:
    call = _without_python(op.function, op.first)
    if len(node.outputs) > 1:
        return call

    @numba_njit
    def only(*inputs: Any) -> Any:
        return call(*inputs)[0]

    return only


def _without_python(function: Callable[..., Any], first: tuple[tuple[int, ...], ...]) -> Any:
    if not first:

        @numba_njit
        def call(*inputs: Any) -> Any:
            return function(*inputs)

    else:
        [skills] = first

        @numba_njit
        def call(*inputs: Any) -> Any:
            return function(skills, *inputs)

    return call
