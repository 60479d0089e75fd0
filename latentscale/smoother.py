"""Gaussian smoothing on the tree family > recipe > LLM, with its derivative.

Each node has a vector of K skills::

    family_f ~ Normal(0, 1 / precision_family)
    recipe_r ~ Normal(family_f(r), 1 / precision_recipe)
    llm_i    ~ Normal(recipe_r(i), 1 / precision_llm)

and measurements say about each LLM that its log likelihood is ``pull . llm - llm' known llm / 2``.
Information is passed up the tree, each node integrated out in turn, and estimates down it: the
conditional mean of each node given its parent, plus ``w`` times its conditional spread,

    node = Q^-1 (precision parent + pull) + C^-T w,   Q = known + precision = C C'.

So standard Normal ``w`` give a draw of the joint conditional distribution, and the log Jacobian of
the map from ``w`` to the nodes is minus the sum of the logarithms of the diagonals of all C.

The recursions are those of Kalman smoothing on a tree (Chou, Willsky and Benveniste, 1994, IEEE
Transactions on Automatic Control 39). Written in PyTensor's own operations they take minutes to
compile; here they and their reverses are numba functions (:mod:`latentscale.recursions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from latentscale.recursions import backward, forward

# Positions of the integer inputs of the operations below.
_PARENTS = (5, 6)


def smooth(*inputs: Any) -> list[Any]:
    """Smooth on the tree.

    Parameters
    ----------
    known : dims (llm, skill, skill)
        Information of the measurements about each LLM, symmetric.
    pull : dims (llm, skill)
        Information times measured value.
    precision_llm, precision_recipe, precision_family : dims (skill,)
    recipe_of_llm, family_of_recipe : int, dims (llm,) and (recipe,)
        Positions of the parents.
    w_llm, w_recipe, w_family : dims (group, skill)

    Returns
    -------
    list of variables
        Families, recipes and LLMs, dims (group, skill), and the log Jacobian, a scalar.
    """
    found: Any = _Smooth()(*inputs)
    return list(found)


class _Smooth(Op):
    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor(value) for value in inputs)
        return Apply(self, inputs, [pt.dmatrix(), pt.dmatrix(), pt.dmatrix(), pt.dscalar()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        values: Any = forward(*map(np.ascontiguousarray, inputs))
        _store(output_storage, values)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k not in _PARENTS] * 4 for k in range(len(node.inputs))]

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Any) -> list[Any]:
        filled = [
            pt.zeros_like(output) if isinstance(grad.type, DisconnectedType) else grad
            for grad, output in zip(grads, outputs, strict=True)
        ]
        found: Any = _SmoothPullback()(*inputs, *filled)
        none = [disconnected_type() for _ in _PARENTS]
        return [*found[:5], *none, *found[5:]]

    def L_op(self, inputs: Sequence[Any], outputs: Sequence[Any], grads: Any) -> list[Any]:
        return self.pullback(inputs, outputs, grads)


class _SmoothPullback(Op):
    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor(value) for value in inputs)
        outputs = [pt.dtensor3(), pt.dmatrix(), *(pt.dvector() for _ in range(3))]
        return Apply(self, inputs, [*outputs, *(pt.dmatrix() for _ in range(3))])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        arrays = [np.ascontiguousarray(value) for value in inputs[:-1]]
        _store(output_storage, backward(*arrays, float(inputs[-1])))


def _store(storage: Any, values: Sequence[Any]) -> None:
    for place, value in zip(storage, values, strict=True):
        place[0] = np.asarray(value)


@register_funcify_default_op_cache_key(_Smooth)  # type: ignore[untyped-decorator]
def _funcify_smooth(op: Op, node: Apply, **settings: Any) -> Any:
    @numba_njit
    def smooth(*inputs: Any) -> Any:
        family, recipe, llm, log_jacobian = forward(*inputs)
        return family, recipe, llm, np.asarray(log_jacobian)

    return smooth


@register_funcify_default_op_cache_key(_SmoothPullback)  # type: ignore[untyped-decorator]
def _funcify_pullback(op: Op, node: Apply, **settings: Any) -> Any:
    @numba_njit
    def pullback(*inputs: Any) -> Any:
        return backward(*inputs[:-1], inputs[-1].item())

    return pullback
