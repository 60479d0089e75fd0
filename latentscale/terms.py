"""Terms that a formula may use beside formulaic's own: smooth and monotone effects.

Each is learnt from the values that are known, and stays as it was learnt. What is unknown (NaN)
stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from formulaic.utils.stateful_transforms import stateful_transform
from scipy.interpolate import CubicSpline

from latentscale.errors import FeatureError
from latentscale.wording import count

_KNOTS = 6
# How formulaic's columns of smooth and monotone terms are called, behind the term's name.
_LINE, BEND, STEP = "line", "bend", "step"


@stateful_transform  # type: ignore[untyped-decorator]
def standardised(data: Any, _state: dict[str, Any] = {}) -> np.ndarray:  # noqa: B006
    """Standardise by the mean and the standard deviation of the known values."""
    values = np.asarray(data, dtype=float)
    if not _state:
        _state["mean"], _state["sd"] = np.nanmean(values), np.nanstd(values)
    found: np.ndarray = (values - _state["mean"]) / _state["sd"]
    return found


@stateful_transform  # type: ignore[untyped-decorator]
def s(data: Any, knots: int = _KNOTS, _state: dict[str, Any] = {}) -> dict[str, np.ndarray]:  # noqa: B006
    """Bend smoothly: a line, and bends that independent Normal slopes weigh by their curvature.

    A natural cubic spline with knots at quantiles of the known values, in the basis in which the
    penalty, the integral of its squared second derivative, is the sum of the squared slopes of the
    bends (Wood 2017, Generalized Additive Models, section 5.4). Straight beyond the outer knots.

    Parameters
    ----------
    data : array_like of float
    knots : int, default 6
        There are two bends less.
    """
    values = np.asarray(data, dtype=float)
    if not _state:
        _state["at"] = _quantiles("s", values, knots, least=4)
        _state["weights"] = _bending(_state["at"])
    at, weights = _state["at"], _state["weights"]
    bends = _natural(values, at) @ weights
    return {_LINE: values, **{f"{BEND} {i + 1}": bend for i, bend in enumerate(bends.T)}}


def _natural(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Give the natural splines that are one at a knot and zero at the others, dims (.., knot)."""
    splines = CubicSpline(at, np.eye(len(at)), bc_type="natural")
    inside = np.clip(values, at[0], at[-1])
    found: np.ndarray = splines(inside) + (values - inside)[:, None] * splines(inside, 1)
    return found


def _bending(at: np.ndarray) -> np.ndarray:
    """Give the bends as values at the knots, dims (knot, bend), of curvature one each."""
    second = CubicSpline(at, np.eye(len(at)), bc_type="natural")(at, 2)
    gaps = np.diff(at)
    # Second derivatives are linear between knots: the integral of products, exactly.
    of_products = np.zeros((len(at), len(at)))
    for i, gap in enumerate(gaps):
        of_products[i : i + 2, i : i + 2] += gap / 6 * np.array([[2, 1], [1, 2]])
    curvature, shapes = np.linalg.eigh(second.T @ of_products @ second)
    found: np.ndarray = shapes[:, 2:] / np.sqrt(curvature[2:])  # a constant and a line are free
    return found


@stateful_transform  # type: ignore[untyped-decorator]
def increasing(data: Any, steps: int = 4, _state: dict[str, Any] = {}) -> dict[str, np.ndarray]:  # noqa: B006
    """Only ever rise: by steps between quantiles of the known values, whose slopes are positive.

    Parameters
    ----------
    data : array_like of float
    steps : int, default 4
    """
    values = np.asarray(data, dtype=float)
    if not _state:
        _state["at"] = _quantiles("increasing", values, steps + 1, least=2)
    at = _state["at"]
    ramps = np.clip((values[:, None] - at[:-1]) / np.diff(at), 0, 1)
    return {f"{STEP} {i + 1}": ramp for i, ramp in enumerate(ramps.T)}


@stateful_transform  # type: ignore[untyped-decorator]
def decreasing(data: Any, steps: int = 4, _state: dict[str, Any] = {}) -> dict[str, np.ndarray]:  # noqa: B006
    """Only ever fall: as :func:`increasing`, the other way up."""
    found: dict[str, np.ndarray] = increasing(-np.asarray(data, dtype=float), steps, _state=_state)
    return found


def _quantiles(term: str, values: np.ndarray, n: int, least: int) -> np.ndarray:
    """Give different quantiles of the different known values, from the least to the largest."""
    known = np.unique(values[np.isfinite(values)])
    if not isinstance(n, int | np.integer) or n < least or len(known) < least:
        raise FeatureError(
            f"{term}() was asked for {n!r} knots over {count(len(known), 'different value')}. It "
            f"needs at least {least} of both. Use a plain term, or a column with more values."
        )
    return np.quantile(known, np.linspace(0, 1, min(n, len(known))))


# What a formula may call.
TERMS: Mapping[str, Callable[..., Any]] = {
    "standardised": standardised,
    "s": s,
    "increasing": increasing,
    "decreasing": decreasing,
}


def part_of(column: str) -> str:
    """Name what a design column is a part of: columns of one name are shrunk together.

    Examples
    --------
    >>> [part_of(name) for name in ("log(params_b)", "norm[T.rmsnorm]", "s(code_pct)[bend 2]")]
    ['log(params_b)', 'norm', 's(code_pct) bends']
    >>> part_of("s(code_pct)[line]")
    's(code_pct) line'
    """
    head, bracket, inside = column.partition("[")
    if not bracket:
        return column
    # Of products with categories, all columns belong together.
    rest = "".join(piece.partition("]")[2] for piece in inside.split("["))
    part = inside.partition("]")[0].partition(" ")[0]
    kind = {BEND: " bends", _LINE: " line"}.get(part, "")
    return head + kind + rest


def is_step(column: str) -> bool:
    """Say whether a design column is a step of a monotone term, whose slopes are positive."""
    return f"[{STEP} " in column
