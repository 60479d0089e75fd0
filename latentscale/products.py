"""Products of small matrices in a PyTensor graph, without PyTensor's own ``dot``.

Its numba version takes ten seconds to compile for every combination of memory layouts: for a model
of ten products, minutes for whoever samples the graph by hand. The matrices here have a handful of
columns, for which a sum of products is as fast; and taken at the observed cells alone, missing ones
cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytensor.tensor as pt


def matrix_product(left: Any, right: Any) -> Any:
    """Give left @ right, dims (n, k) and (k, m)."""
    return (left[:, :, None] * right[None, :, :]).sum(axis=1)


def at_cells(of_llms: Any, of_benchmarks: Any, data: Mapping[str, Any]) -> Any:
    """Give of_llms @ of_benchmarks.T at the observed cells, dims (obs,)."""
    rows, columns = of_llms[data["llm_of_obs"]], of_benchmarks[data["benchmark_of_obs"]]
    return (rows * columns).sum(axis=1)


def side_by_side(columns: Sequence[Any]) -> Any:
    """Give the matrix of these columns, dims (n,) each.

    Not by giving each a second dimension: PyTensor moves that through whatever a column is computed
    by, in one copy of the graph and not in another, and these are then no longer found to be the
    same.
    """
    return pt.concatenate(columns).reshape((len(columns), -1)).T
