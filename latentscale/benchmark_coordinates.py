"""Coordinates of what benchmarks have of their own: difficulties, loadings and slopes.

The data tell well at what ability a benchmark's mean score is reached, and by how much its score
rises there. They tell less well how floor, ceiling and asymmetry share in that: a higher ceiling
with a lower difficulty, or a steeper link with a smaller loading, gives nearly the same scores. So
difficulties and loadings are sampled relative to this point of the curve, its middle, which then
stays where it is while the rest of the curve moves.

As in :mod:`latentscale.coordinates` this changes how the posterior is walked through, not what it
is: every density is that of the prior, with the Jacobian of the change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from latentscale.design import Design
from latentscale.kernels.operations import log_gram
from latentscale.links import symbolic_logit_and_slope
from latentscale.priors import REAL, Prior
from latentscale.products import matrix_product, side_by_side
from latentscale.spec import ModelSpec

# About how large benchmarks' own slopes are: chains start where this is not absurd.
_SLOPE = 0.1

# A mean score outside of these shares of the way up says little about where its logit is.
_MEANS = (0.02, 0.98)


class Curve(NamedTuple):
    """What lies between logits and expected scores, dims (benchmark,) each.

    Attributes
    ----------
    floor, ceiling
    asymmetry
        Or None, where the link is a sigmoid.
    """

    floor: Any
    ceiling: Any
    asymmetry: Any


@dataclass(frozen=True, eq=False)
class Middle:
    """Where the curve of each benchmark reaches its mean score, and how steep it is there.

    Attributes
    ----------
    logit : dims (benchmark,)
    steepness : dims (benchmark,)
        Score per logit, relative to that of a sigmoid from chance to one.
    """

    logit: Any
    steepness: Any

    @classmethod
    def of(cls, curve: Curve, design: Design) -> Middle:
        """Find the middle, given the current floor, ceiling and asymmetry."""
        means = _mean_score(design)
        mean = pm.Data("mean_score", means, dims="benchmark")
        rough = pm.Data("rough_slope", _rough_slope(means, design.chance), dims="benchmark")
        height = curve.ceiling - curve.floor
        share = ((mean - curve.floor) / height).clip(*_MEANS)
        logit, slope = symbolic_logit_and_slope(share, curve.asymmetry)
        return cls(logit, height * slope / rough)


def _mean_score(design: Design) -> np.ndarray:
    """Give the mean score of each benchmark, dims (benchmark,)."""
    of, n = design.benchmark_of_obs, len(design.benchmarks)
    total: np.ndarray = np.bincount(of, design.score, minlength=n)
    return total / np.bincount(of, minlength=n)


def _rough_slope(mean: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Give the slope of a sigmoid from chance to one at the mean score, dims (benchmark,)."""
    height = 1 - chance
    share = np.clip((mean - chance) / height, *_MEANS)
    slope: np.ndarray = height * share * (1 - share)
    return slope


def declare_difficulty(prior: Prior, middle: Middle | None) -> Any:
    """Declare difficulties, sampled as logits beyond the one at which the mean score is reached.

    Parameters
    ----------
    prior : Prior
        Of the difficulty, which it is about; only the coordinate moves along.
    middle : Middle or None
        None for plain coordinates, which a prior of positive numbers has in any case.

    Returns
    -------
    variable, dims (benchmark,)
    """
    if middle is None or prior.support != REAL:
        return prior.declare("difficulty", dims="benchmark")
    difficulty = pm.Flat("difficulty_w", dims="benchmark") + middle.logit
    return _weighed("difficulty", difficulty, prior, dims="benchmark")


def declare_loadings(
    priors: Mapping[str, Prior], middle: Middle | None, is_free: np.ndarray, n_skills: int
) -> tuple[Any, list[Any]]:
    """Declare loadings, sampled as how much they raise the score where the mean score is.

    Parameters
    ----------
    priors : mapping of str to Prior
        Of ``total_loading`` and ``loading_contrast``, which they are about.
    middle : Middle or None
        As for difficulties.
    is_free : bool, dims (benchmark,)
        Not an anchor.
    n_skills : int

    Returns
    -------
    total_loading : dims (benchmark,)
    loading_contrast : list of variables, dims (benchmark,)
        By contrast; none for a single skill.
    """
    steepness = None if middle is None else pt.where(is_free, middle.steepness, 1.0)
    [total] = _per_steepness("total_loading", priors, steepness, start=1.0)
    if n_skills == 1:
        return total, []
    return total, _per_steepness("loading_contrast", priors, steepness, n_skills - 1)


def _per_steepness(
    name: str,
    priors: Mapping[str, Prior],
    steepness: Any,
    n_contrasts: int | None = None,
    start: float = 0.0,
) -> list[Any]:
    """Declare a variable of benchmarks, or of benchmarks and contrasts, by w / steepness.

    Chains start near ``start``. Gives the variable, or its columns by contrast.
    """
    prior, dims = priors[name], ("benchmark",) if n_contrasts is None else ("benchmark", "contrast")
    if steepness is None or prior.support != REAL:
        return _columns(prior.declare(name, dims=dims), n_contrasts)
    columns = [
        (start + w) / steepness for w in _columns(pm.Flat(f"{name}_w", dims=dims), n_contrasts)
    ]
    value = columns[0] if n_contrasts is None else side_by_side(columns)
    log_jacobian = -len(columns) * pt.log(steepness).sum()
    _weighed(name, value, prior, log_jacobian, dims=dims)
    return columns


def _columns(value: Any, n: int | None) -> list[Any]:
    return [value] if n is None else [value[:, k] for k in range(n)]


def _weighed(name: str, value: Any, prior: Prior, log_jacobian: Any = 0.0, *, dims: Any) -> Any:
    """Give what is computed from coordinates the density of its prior in these coordinates."""
    pm.Potential(f"{name}_prior", pm.logp(prior.dist(()), value).sum() + log_jacobian)
    return pm.Deterministic(name, value, dims=dims)


def declare_slopes_in_coordinates(scale: Any, loading: Any, design: Design, spec: ModelSpec) -> Any:
    """Declare what benchmarks' own slopes have beyond the loadings, without what they lack.

    Slopes of all benchmarks are independent Normals, projected on what is orthogonal to the
    loadings. With the anchors first, loading = [I; F], so that is b = [-F' w; w] for any w, and
    its density is that of a Normal within the J - K dimensions that are left::

        log p(w) = -|b|^2 / (2 scale^2) - (J - K) log(scale sqrt(2 pi)) + log det(I + F'F) / 2

    The plain coordinates have K more, along which only the prior acts, and a funnel: the data tell
    the slopes well, so they are better not scaled.

    Parameters
    ----------
    scale : dims (column,)
        Of each column of slopes.
    loading : dims (benchmark, skill)

    Returns
    -------
    variable, dims (benchmark, column)
    """
    anchors = [design.benchmarks.index(anchor) for anchor in spec.anchors]
    free = np.delete(np.arange(len(design.benchmarks)), anchors)
    shape = (len(free), len(design.encoding.names) + 1)
    w = pm.Flat("benchmark_slope_w", shape=shape)
    of_free = _SLOPE * w
    whole = pt.concatenate([-matrix_product(loading[free].T, of_free), of_free])
    slopes = whole[np.argsort([*anchors, *free])]
    density = -((slopes / scale) ** 2).sum() / 2
    density -= len(free) * (pt.log(scale) + np.log(2 * np.pi) / 2 - np.log(_SLOPE)).sum()
    volume = shape[1] * log_gram(spec.skills, loading) / 2
    pm.Potential("benchmark_slopes", density + volume)
    return slopes


def orthogonal_columns(loading: Any, n_skills: int) -> list[Any]:
    """Make the loadings of the skills orthogonal by Gram-Schmidt, without changing their span.

    Unrolled: for so few columns a call of LAPACK would cost more than all else. An anchor loads
    by 1 on its skill alone, so no column's length is below 1.
    """
    columns: list[Any] = []
    for k in range(n_skills):
        columns.append(beyond(loading[:, k], columns))
    return columns


def beyond(effect: Any, columns: Sequence[Any]) -> Any:
    """Project an effect, dims (benchmark, ...), on what is orthogonal to orthogonal columns."""
    for column in columns:
        direction = column if effect.ndim == 1 else column[:, None]
        effect = effect - direction * (direction * effect).sum(axis=0) / (column**2).sum()
    return effect
