"""The coordinates that the posterior is sampled in, in which NUTS moves freely.

In the plain coordinates of the graph, effect = scale * z with z standard Normal, the posterior is
badly shaped: an ability and the loadings, a deviation and its scale, a family's effect and its
recipes' can all be traded for each other along curved ridges, and NUTS needs about a hundred small
steps to follow them.

The remedy is to let the effects follow whatever they depend on. Around a rough expectation, every
score is nearly a Normal measurement of its eta. Given the other parameters, the effects would then
have a joint Normal posterior that can be written down: families, recipes and LLMs form a tree, and
information flows up it and estimates flow down. An effect is its conditional mean plus w times its
conditional standard deviation. So w is nearly standard Normal and nearly independent of all else,
whatever the data: where an LLM has many scores this is centring, where it has none this is
non-centring.

A score at the floor is no measurement: eta may be anywhere below. So where an LLM is expected
there, its effects move freely; and where it is expected above, not beyond the point that the score
allows (:mod:`latentscale.kernels.measuring`).

This changes coordinates, not the model: the density that NUTS sees is that of the plain graph with
the Jacobian of the change, exactly, however rough the expectation. (Interpolation between centred
and non-centred coordinates: Papaspiliopoulos, Roberts and Skoeld, 2007, Statistical Science 22.)

Here is what the coordinates are, and the arrays that their density is computed from;
:mod:`latentscale.kernels` computes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import helmert

from latentscale.design import Design, slope_columns
from latentscale.forward import Draws, curve_of, scatter_of
from latentscale.kernels.arguments import Groups, Shared
from latentscale.kernels.benchmarks import EDGE
from latentscale.kernels.laws import SUPPORTS
from latentscale.likelihoods import likelihood_of
from latentscale.priors import FAMILIES, REAL, UNIT, Prior
from latentscale.slope_guess import no_guess
from latentscale.spec import ModelSpec
from latentscale.story import DRAWN, STANDARD, is_in, scipy_of
from latentscale.transforms import bent_coordinate, ceiling_coordinate, top_of

# Dims of the variables that have coordinates; those of groups are dims of the effect.
_SHARED_DIMS: Mapping[str, tuple[str, ...]] = {
    name: DRAWN.get(name, ("free_benchmark", "column")) for name in Shared._fields
}
_GROUP_DIMS: Mapping[str, tuple[str, ...]] = {name: DRAWN[f"{name}_z"] for name in Groups._fields}

# What the kernels report beside the values of the shared parameters, in their order.
_REPORTED_DIMS: Mapping[str, tuple[str, ...]] = {
    "relevance": ("term",),
    "developer_scale": ("skill",),
    "recipe_scale": ("skill",),
    "llm_scale": ("skill",),
    "family_slope_scale": ("slope_feature", "skill"),
    "family_slope": ("family", "slope_feature", "skill"),
    "loading": ("benchmark", "skill"),
    "benchmark_slope": ("benchmark", "feature"),
    "benchmark_tuning": ("benchmark",),
    "condition_shift": ("benchmark", "condition"),
    "floor": ("benchmark",),
    "ceiling": ("benchmark",),
    "ability": ("llm", "skill"),
    "developer_effect": ("developer", "skill"),
    "family_effect": ("family", "skill"),
    "recipe_effect": ("recipe", "skill"),
    "llm_effect": ("llm", "skill"),
    "developer_deviation": ("developer", "benchmark"),
    "family_deviation": ("family", "benchmark"),
    "recipe_deviation": ("recipe", "benchmark"),
}

# Variables that are sampled relative to the middle of a curve, if their priors allow any number.
_PLACED = ("difficulty", "total_loading", "loading_contrast")

_NO_PLACE = np.empty(0, dtype=int)

# So many families say as much about a benchmark's own slope as its prior does. The power that
# follows is 0.3 on the bundled leaderboard: against 0, the median of the variables' worst ESS rises
# by 7 % (three seeds). In four tables of 6 families and four of 12, that of slopes' scales doubles.
_OWN_SLOPES = 20

# Not a prior's: the kernels know the density.
_NO_LAW = -1

# Nearer to floor or ceiling than these shares of the way up, a score alone says little of its
# logit.
_FIRST = (0.03, 0.97)

# How much a score is taken for one at the floor: this power of its density there over its highest.
# On five random parts of the leaderboard (12 to 30 families, 6 to 12 benchmarks, four seeds each)
# the geometric mean of the worst ESS of 4,000 draws is 148 if no score is, and 270, 372, 397 and
# 508 with the powers 1, 1/2, 1/4 and 1/10; on the whole leaderboard 860, and 901 with the last.
_AT_FLOOR = 0.1
# What is less is nothing: a benchmark without any is computed faster.
_LITTLE = 0.3


class Variable(NamedTuple):
    """A variable of the model: what it is called, its dims and its shape."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(np.prod(self.shape))


def shared_variables(design: Design, spec: ModelSpec) -> list[Variable]:
    """Give the parameters that all LLMs share, in the order of their coordinates.

    All of :class:`latentscale.kernels.arguments.Shared`; one that the model lacks has no rows.
    """
    return _variables(_SHARED_DIMS, design, spec)


def group_variables(design: Design, spec: ModelSpec) -> list[Variable]:
    """Give the effects of groups, in the order of their coordinates, after the shared parameters.

    All of :class:`latentscale.kernels.arguments.Groups`; one that the model lacks has no rows.
    """
    return _variables(_GROUP_DIMS, design, spec)


def parts_of(variables: Iterable[Variable]) -> dict[str, slice]:
    """Say where each of some variables lies, one after the other."""
    found, at = {}, 0
    for variable in variables:
        found[variable.name] = slice(at, at + variable.size)
        at += variable.size
    return found


def reported_variables(design: Design, spec: ModelSpec) -> list[Variable]:
    """Give what the posterior reports, in the order in which the kernels write it."""
    inner = ("condition_z", "benchmark_slope")
    values = [each for each in shared_variables(design, spec) if each.name not in inner]
    others = _variables(_REPORTED_DIMS, design, spec)
    return [each for each in (*values, *others) if each.size > 0]


def _variables(
    dims_of: Mapping[str, tuple[str, ...]], design: Design, spec: ModelSpec
) -> list[Variable]:
    """Give variables with their shapes; one that the model lacks has no rows."""
    sizes = {dim: len(labels) for dim, labels in coords(design, spec).items()}
    sizes["column"] = sizes["own_feature"] + 1  # the last is tuning
    found = []
    for name, dims in dims_of.items():
        shape = tuple(sizes[dim] for dim in dims)
        found.append(Variable(name, dims, shape if is_in(name, spec) else (0, *shape[1:])))
    return found


def order_of_cells(design: Design) -> np.ndarray:
    """Give the scores in the kernels' order: by benchmark, those at the ends of the scale last."""
    return np.lexsort((_at_ends(design), design.benchmark_of_obs))


def _at_ends(design: Design) -> np.ndarray:
    """Mark the scores at the ends of the scale, dims (obs,)."""
    found: np.ndarray = (design.score <= 0) | (design.score >= 1)
    return found


def first_guess(design: Design) -> np.ndarray:
    """Give rough expectations from the scores alone, dims (obs,), in the order of the design."""
    chance = design.chance[design.benchmark_of_obs]
    low, high = (chance + share * (1 - chance) for share in _FIRST)
    guess: np.ndarray = np.clip(design.score, low, high)
    return guess


def at_floor(design: Design, spec: ModelSpec, draws: Draws) -> np.ndarray:
    """Say how little each score tells of how far below it its LLM may be, dims (obs,).

    From 0, of a score that no LLM at the floor would have, to 1, of one that it has most often.

    Parameters
    ----------
    design : Design
    spec : ModelSpec
    draws : Draws
        Floors, ceilings and scatter; averaged over.
    """
    likelihood, benchmark = likelihood_of(spec.likelihood), design.benchmark_of_obs
    floor, height, _ = curve_of(draws, np.s_[:, benchmark])
    best = np.clip(design.score, floor, floor + height)
    there, highest = (
        likelihood.log_density(design.scores, expected, scatter_of(draws, benchmark))
        for expected in (floor, best)
    )
    found = np.exp(_AT_FLOOR * np.minimum(there - highest, 0)).mean(axis=0)
    return np.where(found > _LITTLE, found, 0.0)


def known_arrays(
    design: Design, spec: ModelSpec, priors: Mapping[str, Prior]
) -> dict[str, np.ndarray]:
    """Give the arrays that the kernels read, by the names of their directory.

    The rough expectations are those of :func:`first_guess`; nothing is guessed of slopes, and
    nothing is whitened.
    """
    shared, groups = shared_variables(design, spec), group_variables(design, spec)
    n_shared = sum(each.size for each in shared)
    return {
        **_cells(design, spec),
        **_llms(design, spec),
        **_suite(design, spec, priors),
        **_unknown(design),
        **no_guess(len(design.encoding.names), spec.skills).arrays(),
        **_laws(shared, priors),
        "places": _places((*shared, *groups)),
        "centre": np.zeros(n_shared),
        "root": np.eye(n_shared),
    }


def _places(variables: Sequence[Variable]) -> np.ndarray:
    """Give where each variable begins, and its rows and columns; a vector has one column."""
    begins = np.cumsum([0, *(each.size for each in variables)])
    shapes = [each.shape if len(each.shape) > 1 else (each.size, 1) for each in variables]
    return np.array(
        [(begin, math.prod(rows), columns)
         for begin, (*rows, columns) in zip(begins, shapes, strict=False)]
    )  # fmt: skip


def _cells(design: Design, spec: ModelSpec) -> dict[str, np.ndarray]:
    score, trials = design.score, np.ones(design.n_obs)
    if likelihood_of(spec.likelihood).uses_counts:
        counts = design.scores[["successes", "trials"]].to_numpy(dtype=float)
        score, trials = counts[:, 0], counts[:, 1]
    order, benchmark = order_of_cells(design), design.benchmark_of_obs
    n = len(design.benchmarks)
    first = np.concatenate([[0], np.cumsum(np.bincount(benchmark, minlength=n))])
    return {
        "score": score[order],
        "trials": trials[order],
        "fraction": (score / trials)[order],
        "guess": first_guess(design)[order],
        "at_floor": np.zeros(len(order)),
        "llm": design.llm_of_obs[order],
        "recipe_of_cell": design.recipe_of_llm[design.llm_of_obs[order]],
        "first": first,
        "ends": first[1:] - np.bincount(benchmark[_at_ends(design)], minlength=n),
        "condition": design.condition[order],
        "deviating": design.free_benchmarks(spec.anchors) if spec.deviations else _NO_PLACE,
        "x_of_cell": design.x[design.llm_of_obs[order]].T,
        "tuned_of_cell": design.tuned[design.llm_of_obs[order]],
    }


def _llms(design: Design, spec: ModelSpec) -> dict[str, np.ndarray]:
    family_of_recipe = np.zeros(len(design.recipes), dtype=int)
    family_of_recipe[design.recipe_of_llm] = design.family_of_llm
    return {
        "x": design.x,
        "slope_columns": slope_columns(design.encoding, spec.family_slopes),
        "tuned": design.tuned,
        "recipe": design.recipe_of_llm,
        "family_of_recipe": family_of_recipe,
        "developer_of_family": design.developer_of_family,
        "recipe_tail": np.array([np.inf if spec.recipe_tail is None else spec.recipe_tail]),
    }


def _suite(design: Design, spec: ModelSpec, priors: Mapping[str, Prior]) -> dict[str, np.ndarray]:
    of, n = design.benchmark_of_obs, len(design.benchmarks)
    mean = np.bincount(of, design.score, minlength=n) / np.bincount(of, minlength=n)
    height = 1 - design.chance
    share = np.clip((mean - design.chance) / height, EDGE, 1 - EDGE)
    anchored = [
        spec.anchors.index(name) if name in spec.anchors else -1 for name in design.benchmarks
    ]
    weights = helmert(spec.skills) if spec.skills > 1 else np.empty((0, 1))
    return {
        "chance": design.chance,
        "mean": mean,
        "top": _tops(design),
        "rough_slope": height * share * (1 - share),
        "weights": weights,  # orthonormal, each row sums to zero
        "anchored": np.array(anchored),
        "placed": np.array([_is_placed(name, priors) for name in _PLACED]),
        "term": design.shrinkage.term,
        "is_step": design.encoding.is_step,
        "own": design.shrinkage.own,
        "own_power": _own_powers(design),
    }


def _own_powers(design: Design) -> np.ndarray:
    """Say to what power of their scale own slopes are sampled relative, dims (column,).

    Zero is right for slopes that scores tell well, one for those they tell nothing of, such as
    those in tuning if nobody is tuned.
    """
    powers = np.full(len(design.shrinkage.own) + 1, 1 / (1 + len(design.families) / _OWN_SLOPES))
    if not design.tuned.any():
        powers[-1] = 1.0
    return powers


def _tops(design: Design) -> np.ndarray:
    """Say where the best score on each benchmark is, dims (benchmark,)."""
    best = np.zeros(len(design.benchmarks))
    np.maximum.at(best, design.benchmark_of_obs, design.score)
    return np.asarray(top_of((best - design.chance) / (1 - design.chance)))


def _unknown(design: Design) -> dict[str, np.ndarray]:
    """Lay out what moves family by family, each with the columns that move in it alone."""
    unknowns = design.unknowns
    moves = (np.abs(unknowns.shift).max(axis=1) > 0).astype(bool)
    np.logical_or.at(moves, unknowns.of_llm, np.abs(unknowns.off).max(axis=1) > 0)
    columns = [np.flatnonzero(each) for each in moves]
    offs = [unknowns.off[o][:, columns[u]].T.ravel() for o, u in enumerate(unknowns.of_llm)]
    shifts = [each[:, columns[u]].T.ravel() for u, each in enumerate(unknowns.shift)]
    return {
        "unknown_family": unknowns.family,
        "unknown_begin": np.cumsum([0, *map(len, columns)]),
        "unknown_columns": unknowns.columns[np.concatenate([_NO_PLACE, *columns])],
        "unknown_shift": np.concatenate([np.empty(0), *shifts]),
        "unknown_first_llm": unknowns.begin,
        "unknown_llm": unknowns.llm,
        "unknown_first_off": np.cumsum([0, *map(len, offs)])[:-1],
        "unknown_off": np.concatenate([np.empty(0), *offs]),
    }


def _is_placed(name: str, priors: Mapping[str, Prior]) -> bool:
    """Say whether a variable is sampled relative to the middle of a curve."""
    return name in _PLACED and priors[name].support == REAL


def _laws(shared: list[Variable], priors: Mapping[str, Prior]) -> dict[str, np.ndarray]:
    law, support = np.full(len(shared), _NO_LAW), np.zeros(len(shared))
    numbers = np.zeros((len(shared), 3))
    for position, variable in enumerate(shared):
        prior = STANDARD if variable.name == "condition_z" else priors.get(variable.name)
        if prior is not None:
            law[position] = list(FAMILIES).index(prior.family)
            support[position] = SUPPORTS.index(prior.support)
            known = dict(prior.parameters)
            for place, name in enumerate(FAMILIES[prior.family][1]):
                numbers[position, place] = known[name]
    start = np.cumsum([0, *(each.size for each in shared)])
    return {"start": start, "law": law, "support": support, "numbers": numbers}


def middle_of_prior(design: Design, spec: ModelSpec, priors: Mapping[str, Prior]) -> np.ndarray:
    """Give the coordinates of the shared parameters in the middle of the prior.

    Of what is sampled relative to the middle of a curve, zero: there the scores are.
    """
    parts = []
    for variable in shared_variables(design, spec):
        name, at = variable.name, np.zeros(variable.size)
        if name == "ceiling_share" and variable.size:
            at = ceiling_coordinate(_median(priors[name]), _tops(design))
        elif name in priors and not _is_placed(name, priors):
            at = np.full(variable.size, _coordinate(priors[name]))
        parts.append(at)
    return np.concatenate(parts)


def _median(prior: Prior) -> float:
    return float(scipy_of(prior).median())


def _coordinate(prior: Prior) -> float:
    """Give the coordinate of the median of a prior."""
    median = _median(prior)
    if prior.support == REAL:
        return median
    if prior.support == UNIT:
        return float(bent_coordinate(median))
    return float(np.log(median))


def coords(design: Design, spec: ModelSpec) -> dict[str, list[str]]:
    """Give the labels of every dim of what is reported."""
    labels = design.coords(spec.skill_names, spec.family_slopes, spec.anchors)
    return {dim: values for dim, values in labels.items() if dim != "obs"}
