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

This changes coordinates, not the model: the density that NUTS sees is that of the plain graph with
the Jacobian of the change, exactly, however rough the expectation. (Interpolation between centred
and non-centred coordinates: Papaspiliopoulos, Roberts and Skoeld, 2007, Statistical Science 22.)

Here is what the coordinates are, and the arrays that their density is computed from;
:mod:`latentscale.kernels` computes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.linalg import helmert

from latentscale.design import Design, slope_columns
from latentscale.kernels.arguments import Groups, Shared
from latentscale.kernels.benchmarks import LEAST, MOST
from latentscale.kernels.laws import SUPPORTS
from latentscale.likelihoods import likelihood_of
from latentscale.priors import FAMILIES, REAL, UNIT, Prior
from latentscale.spec import ModelSpec
from latentscale.story import scipy_of
from latentscale.transforms import BEND

# Dims of the variables that have coordinates, as in the graph; those of groups are of the effect.
_SHARED_DIMS = Shared(
    feature_slope=("feature", "skill"),
    tuning_shift=("skill",),
    family_scale=("skill",),
    recipe_ratio=("skill",),
    llm_ratio=("skill",),
    family_slope_ratio=("slope_feature", "skill"),
    family_deviation_scale=("benchmark",),
    recipe_deviation_scale=("benchmark",),
    total_loading=("benchmark",),
    loading_contrast=("benchmark", "contrast"),
    difficulty=("benchmark",),
    slope_scale=("feature",),
    tuning_scale=(),
    floor_slack=("benchmark",),
    ceiling_share=("benchmark",),
    asymmetry=("benchmark",),
    precision=("benchmark",),
    tail=(),
    benchmark_slope=("free benchmark", "column"),
)
_GROUP_DIMS = Groups(
    family=("family", "skill"),
    recipe=("recipe", "skill"),
    llm=("llm", "skill"),
    family_slope=("family", "slope_feature", "skill"),
    family_deviation=("family", "benchmark"),
    recipe_deviation=("recipe", "benchmark"),
)

# What the kernels report beside the values of the shared parameters, in their order.
_REPORTED_DIMS: Mapping[str, tuple[str, ...]] = {
    "recipe_scale": ("skill",),
    "llm_scale": ("skill",),
    "family_slope_scale": ("slope_feature", "skill"),
    "family_slope": ("family", "slope_feature", "skill"),
    "loading": ("benchmark", "skill"),
    "benchmark_slope": ("benchmark", "feature"),
    "benchmark_tuning": ("benchmark",),
    "floor": ("benchmark",),
    "ceiling": ("benchmark",),
    "ability": ("llm", "skill"),
    "family_effect": ("family", "skill"),
    "recipe_effect": ("recipe", "skill"),
    "llm_effect": ("llm", "skill"),
    "family_deviation": ("family", "benchmark"),
    "recipe_deviation": ("recipe", "benchmark"),
}

# Variables that are sampled relative to the middle of a curve, if their priors allow any number.
_PLACED = ("difficulty", "total_loading", "loading_contrast")

# Not a prior's: the kernels know the density.
_NO_LAW = -1

# Nearer to floor or ceiling than these shares of the way up, a score alone says little of its
# logit.
_FIRST = (0.03, 0.97)


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
    absent = _absent(spec)
    return [
        _variable(name, dims, name in absent, design, spec)
        for name, dims in _SHARED_DIMS._asdict().items()
    ]


def group_variables(design: Design, spec: ModelSpec) -> list[Variable]:
    """Give the effects of groups, in the order of their coordinates, after the shared parameters.

    All of :class:`latentscale.kernels.arguments.Groups`; one that the model lacks has no rows.
    """
    absent = _absent(spec)
    return [
        _variable(name, dims, name in absent, design, spec)
        for name, dims in _GROUP_DIMS._asdict().items()
    ]


def reported_variables(design: Design, spec: ModelSpec) -> list[Variable]:
    """Give what the posterior reports, in the order in which the kernels write it."""
    absent = _absent(spec)
    values = [each for each in shared_variables(design, spec) if each.name != "benchmark_slope"]
    others = [
        _variable(name, dims, name in absent, design, spec) for name, dims in _REPORTED_DIMS.items()
    ]
    return [each for each in (*values, *others) if each.size > 0]


def _absent(spec: ModelSpec) -> set[str]:
    """Name the variables that a model lacks."""
    by_setting = {
        "family_slope_ratio family_slope_scale family_slope": not spec.family_slopes,
        "family_deviation_scale recipe_deviation_scale": not spec.deviations,
        "family_deviation recipe_deviation": not spec.deviations,
        "loading_contrast": spec.skills == 1,
        "slope_scale tuning_scale benchmark_slope benchmark_tuning": not spec.benchmark_slopes,
        "ceiling_share": not spec.ceiling,
        "asymmetry": spec.link != "asymmetric",
        "precision": spec.likelihood == "binomial",
        "tail": not likelihood_of(spec.likelihood).has_tail,
    }
    return {name for names, is_absent in by_setting.items() if is_absent for name in names.split()}


def _variable(
    name: str, dims: tuple[str, ...], is_absent: bool, design: Design, spec: ModelSpec
) -> Variable:
    n_features, n_benchmarks = len(design.encoding.names), len(design.benchmarks)
    sizes = {
        "family": len(design.families),
        "recipe": len(design.recipes),
        "llm": len(design.llms),
        "benchmark": n_benchmarks,
        "skill": spec.skills,
        "contrast": spec.skills - 1,
        "feature": n_features,
        "slope_feature": len(spec.family_slopes),
        "free benchmark": n_benchmarks - spec.skills,
        "column": n_features + 1,
    }
    shape = tuple(sizes[dim] for dim in dims)
    if is_absent:
        shape = (0, *shape[1:])
    return Variable(name, dims, shape)


def first_guess(design: Design) -> np.ndarray:
    """Give rough expectations from the scores alone, dims (obs,)."""
    chance = design.chance[design.benchmark_of_obs]
    low, high = (chance + share * (1 - chance) for share in _FIRST)
    guess: np.ndarray = np.clip(design.score, low, high)
    return guess


def known_arrays(
    design: Design, spec: ModelSpec, priors: Mapping[str, Prior]
) -> dict[str, np.ndarray]:
    """Give the arrays that the kernels read, by the names of their directory.

    The rough expectations are those of :func:`first_guess`, and nothing is whitened.
    """
    shared, groups = shared_variables(design, spec), group_variables(design, spec)
    n_shared = sum(each.size for each in shared)
    return {
        **_cells(design, spec),
        **_llms(design, spec),
        **_suite(design, spec, priors),
        **_laws(shared, priors),
        "shapes": np.array([_rows_and_columns(each) for each in (*shared, *groups)]),
        "centre": np.zeros(n_shared),
        "root": np.eye(n_shared),
    }


def _rows_and_columns(variable: Variable) -> tuple[int, int]:
    *rows, columns = variable.shape if len(variable.shape) > 1 else (variable.size, 1)
    return int(np.prod(rows)), columns


def _cells(design: Design, spec: ModelSpec) -> dict[str, np.ndarray]:
    score, trials = design.score, np.ones(design.n_obs)
    if likelihood_of(spec.likelihood).uses_counts:
        counts = design.scores[["successes", "trials"]].to_numpy(dtype=float)
        score, trials = counts[:, 0], counts[:, 1]
    return {
        "score": score,
        "trials": trials,
        "guess": first_guess(design),
        "llm": design.llm_of_obs,
        "benchmark": design.benchmark_of_obs,
    }


def _llms(design: Design, spec: ModelSpec) -> dict[str, np.ndarray]:
    family_of_recipe = np.zeros(len(design.recipes), dtype=int)
    family_of_recipe[design.recipe_of_llm] = design.family_of_llm
    return {
        "x": design.x,
        "x_slope": design.x[:, slope_columns(design.encoding, spec.family_slopes)],
        "tuned": design.tuned,
        "recipe": design.recipe_of_llm,
        "family_of_recipe": family_of_recipe,
    }


def _suite(design: Design, spec: ModelSpec, priors: Mapping[str, Prior]) -> dict[str, np.ndarray]:
    of, n = design.benchmark_of_obs, len(design.benchmarks)
    mean = np.bincount(of, design.score, minlength=n) / np.bincount(of, minlength=n)
    height = 1 - design.chance
    share = np.clip((mean - design.chance) / height, LEAST, MOST)
    anchored = [
        spec.anchors.index(name) if name in spec.anchors else -1 for name in design.benchmarks
    ]
    weights = helmert(spec.skills) if spec.skills > 1 else np.empty((0, 1))
    return {
        "chance": design.chance,
        "mean": mean,
        "rough_slope": height * share * (1 - share),
        "weights": weights,  # orthonormal, each row sums to zero
        "anchored": np.array(anchored),
        "placed": np.array([priors[name].support == REAL for name in _PLACED]),
    }


def _laws(shared: list[Variable], priors: Mapping[str, Prior]) -> dict[str, np.ndarray]:
    law, support = np.full(len(shared), _NO_LAW), np.zeros(len(shared))
    numbers = np.zeros((len(shared), 3))
    for position, variable in enumerate(shared):
        if variable.name in priors:
            prior = priors[variable.name]
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
        prior = priors.get(variable.name)
        placed = variable.name in _PLACED and prior is not None and prior.support == REAL
        at = 0.0 if prior is None or placed else _coordinate(prior)
        parts.append(np.full(variable.size, at))
    return np.concatenate(parts)


def _coordinate(prior: Prior) -> float:
    """Give the coordinate of the median of a prior."""
    median = float(scipy_of(prior).median())
    if prior.support == REAL:
        return median
    if prior.support == UNIT:
        return float(np.log(np.expm1(median / BEND)) - np.log(-np.expm1((median - 1) / BEND)))
    return float(np.log(median))


def coords(design: Design, spec: ModelSpec) -> dict[str, list[str]]:
    """Give the labels of every dim of what is reported."""
    labels = design.coords(spec.skill_names, spec.family_slopes)
    return {dim: values for dim, values in labels.items() if dim != "obs"}
