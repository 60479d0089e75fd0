"""The model as a PyMC graph: the only file that declares random variables.

It reads like the Model section of the README, from top to bottom and with the same symbols::

    ability_i   = x_i B + tuned_i tuning_shift + family_effect[f(i)] + recipe_effect[r(i)]
                  + llm_effect_i (+ x_i family_slope[f(i)])
    eta_ij      = difficulty_j + loading_j . ability_i + x_i benchmark_slope_j
                  + tuned_i benchmark_tuning_j + family_deviation[f(i), j]
                  + recipe_deviation[r(i), j]
    expected_ij = floor_j + (ceiling_j - floor_j) sigmoid(eta_ij)
    score_ij    ~ Likelihood(expected_ij, precision_j)

Identification. A skill has no scale, origin, sign or direction of its own:

* scale: abilities are divided by their standard deviation over the fitted LLMs, so that a loading
  is in logits per standard deviation whatever the table (``unit`` below);
* origin: what is sampled is each benchmark's logit for the *average* fitted LLM, which the data
  determine directly, and the difficulty follows from it;
* sign and direction: one anchor benchmark per skill loads on that skill only, and positively;
* slopes: benchmarks' own slopes are orthogonal to the loadings (``_beyond_skills``).

All hierarchical effects are non-centred: most recipes have one or two LLMs, too few for centring.
Every array is ``pm.Data``, so that other rows can be fitted without compiling again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.linalg import helmert

from latentscale.design import Design, slope_columns
from latentscale.likelihoods import likelihood_of
from latentscale.priors import Prior
from latentscale.spec import ModelSpec

# Keeps the projection defined where a loading is zero at the sampler's start.
_RIDGE = 1e-6

# Variables that the posterior reports; the others are how they are sampled.
REPORTED = (
    "ability",
    "feature_slope",
    "tuning_shift",
    "family_effect",
    "recipe_effect",
    "llm_effect",
    "family_slope",
    "family_scale",
    "recipe_scale",
    "llm_scale",
    "family_slope_scale",
    "loading",
    "difficulty",
    "benchmark_slope",
    "benchmark_tuning",
    "slope_scale",
    "tuning_scale",
    "family_deviation",
    "recipe_deviation",
    "family_deviation_scale",
    "recipe_deviation_scale",
    "floor",
    "ceiling",
    "precision",
    "tail",
)


def skill_names(anchors: tuple[str, ...]) -> list[str]:
    """Name each skill after the benchmark that it is anchored to."""
    return [f"skill {k + 1} ({anchor})" for k, anchor in enumerate(anchors)]


def build_graph(design: Design, spec: ModelSpec, priors: Mapping[str, Prior]) -> pm.Model:
    """Declare the whole model.

    Parameters
    ----------
    design : Design
        Rows, indices and coordinates.
    spec : ModelSpec
        What was asked for.
    priors : mapping of str to Prior
        One for every variable, as :func:`latentscale.priors.merge_priors` gives them.

    Returns
    -------
    pymc.Model
        With the observed variable ``score``, dims (obs,).
    """
    coords = design.coords(skill_names(spec.anchors), spec.family_slopes)
    with pm.Model(coords=coords) as model:
        data = _declare_data(design, spec)
        ability, mean_ability = _ability(data, spec, priors)
        loading = _loading(design, spec, priors)
        eta = _eta(data, spec, priors, ability, mean_ability, loading)
        floor, ceiling = _bounds(data, spec, priors)
        eta_of_obs = eta[data["llm_of_obs"], data["benchmark_of_obs"]]
        benchmark = data["benchmark_of_obs"]
        expected = floor[benchmark] + (ceiling - floor)[benchmark] * pm.math.sigmoid(eta_of_obs)
        _observe(data, spec, priors, expected)
    return model


def _declare_data(design: Design, spec: ModelSpec) -> dict[str, Any]:
    """Put every array into the graph as data, so that it can be exchanged."""
    columns = slope_columns(design.encoding, spec.family_slopes)
    arrays: dict[str, tuple[Any, Any]] = {
        "x": (design.x, ("llm", "feature")),
        "tuned": (design.tuned, "llm"),
        "family_of_llm": (design.family_of_llm, "llm"),
        "recipe_of_llm": (design.recipe_of_llm, "llm"),
        "chance": (design.chance, "benchmark"),
        "llm_of_obs": (design.llm_of_obs, "obs"),
        "benchmark_of_obs": (design.benchmark_of_obs, "obs"),
        **_observed_arrays(design, spec),
    }
    if columns.size:
        arrays["x_slope"] = (design.x[:, columns], ("llm", "slope_feature"))
    return {name: pm.Data(name, value, dims=dims) for name, (value, dims) in arrays.items()}


def _observed_arrays(design: Design, spec: ModelSpec) -> dict[str, tuple[Any, Any]]:
    if likelihood_of(spec.likelihood).uses_counts:
        counts = design.scores[["successes", "trials"]].to_numpy(dtype=np.int64)
        return {
            "successes_data": (counts[:, 0], "obs"),
            "trials_data": (counts[:, 1], "obs"),
        }
    at_edge = np.flatnonzero((design.score <= 0) | (design.score >= 1))
    return {"score_data": (design.score, "obs"), "edge_of_obs": (at_edge, None)}


def _ability(data: dict[str, Any], spec: ModelSpec, priors: Mapping[str, Prior]) -> Any:
    """ability_i = x_i B + tuned_i tuning_shift + family, recipe and LLM effects; K columns.

    Effects are declared relative to the spread between families, then divided by ``unit``, the
    standard deviation of ability over the LLMs. Returns the ability, and its mean over the LLMs.
    """
    slope = priors["feature_slope_raw"].declare("feature_slope_raw", dims=("feature", "skill"))
    shift = priors["tuning_shift_raw"].declare("tuning_shift_raw", dims="skill")
    recipe_ratio = priors["recipe_ratio"].declare("recipe_ratio", dims="skill")
    llm_ratio = priors["llm_ratio"].declare("llm_ratio", dims="skill")
    family = pm.Normal("family_z", 0, 1, dims=("family", "skill"))
    recipe = recipe_ratio * pm.Normal("recipe_z", 0, 1, dims=("recipe", "skill"))
    llm = llm_ratio * pm.Normal("llm_z", 0, 1, dims=("llm", "skill"))
    raw = (
        data["x"] @ slope
        + data["tuned"][:, None] * shift
        + family[data["family_of_llm"]]
        + recipe[data["recipe_of_llm"]]
        + llm
    )
    if spec.family_slopes:
        ratio = priors["family_slope_ratio"].declare(
            "family_slope_ratio", dims=("slope_feature", "skill")
        )
        z = pm.Normal("family_slope_z", 0, 1, dims=("family", "slope_feature", "skill"))
        family_slope = ratio * z
        raw += (data["x_slope"][:, :, None] * family_slope[data["family_of_llm"]]).sum(axis=1)
    # The ridge keeps gradients finite where all effects are zero, as at PyMC's default start.
    unit = pt.sqrt(raw.var(axis=0) + _RIDGE**2)

    ability = pm.Deterministic("ability", raw / unit, dims=("llm", "skill"))
    pm.Deterministic("feature_slope", slope / unit, dims=("feature", "skill"))
    pm.Deterministic("tuning_shift", shift / unit, dims="skill")
    pm.Deterministic("family_effect", family / unit, dims=("family", "skill"))
    pm.Deterministic("recipe_effect", recipe / unit, dims=("recipe", "skill"))
    pm.Deterministic("llm_effect", llm / unit, dims=("llm", "skill"))
    pm.Deterministic("family_scale", 1 / unit, dims="skill")
    pm.Deterministic("recipe_scale", recipe_ratio / unit, dims="skill")
    pm.Deterministic("llm_scale", llm_ratio / unit, dims="skill")
    if spec.family_slopes:
        dims = ("family", "slope_feature", "skill")
        pm.Deterministic("family_slope", family_slope / unit, dims=dims)
        pm.Deterministic("family_slope_scale", ratio / unit, dims=dims[1:])
    return ability, ability.mean(axis=0)


def _loading(design: Design, spec: ModelSpec, priors: Mapping[str, Prior]) -> Any:
    """loading_j: an anchor loads on its own skill only, and positively; the others are free.

    Skills rise together with scale, so the data determine the sum of a benchmark's loadings far
    better than their differences: the two are sampled apart.
    """
    is_anchor = np.zeros((len(design.benchmarks), spec.skills))
    for k, anchor in enumerate(spec.anchors):
        is_anchor[design.benchmarks.index(anchor), k] = 1.0
    is_free = 1.0 - is_anchor.any(axis=1, keepdims=True)
    anchor_loading = priors["anchor_loading"].declare("anchor_loading", dims="skill")
    free = priors["total_loading"].declare("total_loading", dims="benchmark")[:, None] / spec.skills
    if spec.skills > 1:
        contrast = priors["loading_contrast"].declare(
            "loading_contrast", dims=("benchmark", "contrast")
        )
        free = free + contrast @ helmert(spec.skills)  # orthonormal, each sums to zero
    loading = is_anchor * anchor_loading + is_free * free
    return pm.Deterministic("loading", loading, dims=("benchmark", "skill"))


def _eta(
    data: dict[str, Any],
    spec: ModelSpec,
    priors: Mapping[str, Prior],
    ability: Any,
    mean_ability: Any,
    loading: Any,
) -> Any:
    """eta_ij = difficulty_j + loading_j . ability_i + slopes and deviations; (llm, benchmark)."""
    at_mean = priors["difficulty_at_mean"].declare("difficulty_at_mean", dims="benchmark")
    difficulty = pm.Deterministic("difficulty", at_mean - loading @ mean_ability, dims="benchmark")
    eta = difficulty + ability @ loading.T
    if spec.benchmark_slopes:
        eta += _benchmark_slopes(data, priors, loading, spec.skills)
    if spec.deviations:
        eta += _deviation("family", priors)[data["family_of_llm"]]
        eta += _deviation("recipe", priors)[data["recipe_of_llm"]]
    return eta


def _benchmark_slopes(
    data: dict[str, Any], priors: Mapping[str, Prior], loading: Any, n_skills: int
) -> Any:
    """x_i benchmark_slope_j + tuned_i benchmark_tuning_j: what no slope of a skill could say.

    A slope shared by all benchmarks in proportion to their loadings is a slope of the skills. Only
    the part orthogonal to the loadings is left here, or the two would trade off without end.
    """
    slope_scale = priors["slope_scale"].declare("slope_scale", dims="feature")
    tuning_scale = priors["tuning_scale"].declare("tuning_scale", dims=None)
    slope_z = pm.Normal("benchmark_slope_z", 0, 1, dims=("benchmark", "feature"))
    tuning_z = pm.Normal("benchmark_tuning_z", 0, 1, dims="benchmark")
    raw = pt.concatenate([slope_scale * slope_z, (tuning_scale * tuning_z)[:, None]], axis=1)
    beyond = _beyond_skills(raw, loading, n_skills)
    slope, tuning = beyond[:, :-1], beyond[:, -1]
    pm.Deterministic("benchmark_slope", slope, dims=("benchmark", "feature"))
    pm.Deterministic("benchmark_tuning", tuning, dims="benchmark")
    return data["x"] @ slope.T + data["tuned"][:, None] * tuning


def _beyond_skills(effect: Any, loading: Any, n_skills: int) -> Any:
    """Project effects, dims (benchmark, any), on what is orthogonal to the loadings.

    By Gram-Schmidt, unrolled: for so few columns a call of LAPACK would cost more than all else.
    """
    basis: list[Any] = []
    for k in range(n_skills):
        column = loading[:, k]
        for known in basis:
            column = column - known * (known * column).sum()
        basis.append(column / pt.sqrt((column**2).sum() + _RIDGE))
    for direction in basis:
        effect = effect - direction[:, None] * (direction[:, None] * effect).sum(axis=0)
    return effect


def _deviation(group: str, priors: Mapping[str, Prior]) -> Any:
    """How far families or recipes lie from their skills on one benchmark; (group, benchmark)."""
    scale_name = f"{group}_deviation_scale"
    scale = priors[scale_name].declare(scale_name, dims="benchmark")
    dims = (group, "benchmark")
    z = pm.Normal(f"{group}_deviation_z", 0, 1, dims=dims)
    return pm.Deterministic(f"{group}_deviation", scale * z, dims=dims)


def _bounds(data: dict[str, Any], spec: ModelSpec, priors: Mapping[str, Prior]) -> tuple[Any, Any]:
    """floor_j: a little below chance; ceiling_j: between chance and 1."""
    chance = data["chance"]
    slack = priors["floor_slack"].declare("floor_slack", dims="benchmark")
    floor = pm.Deterministic("floor", chance * (1 - slack), dims="benchmark")
    if not spec.ceiling:
        return floor, pm.Deterministic("ceiling", pt.ones_like(floor), dims="benchmark")
    share = priors["ceiling_share"].declare("ceiling_share", dims="benchmark")
    return floor, pm.Deterministic("ceiling", chance + (1 - chance) * share, dims="benchmark")


def _observe(
    data: dict[str, Any], spec: ModelSpec, priors: Mapping[str, Prior], expected: Any
) -> None:
    """score_ij ~ Likelihood(expected_ij, precision_j)."""
    likelihood = likelihood_of(spec.likelihood)
    parameters = {}
    if spec.likelihood != "binomial":
        precision = priors["precision"].declare("precision", dims="benchmark")
        parameters["precision"] = precision[data["benchmark_of_obs"]]
    if likelihood.has_tail:
        parameters["tail"] = priors["tail"].declare("tail", dims=None)
    observed = {name.removesuffix("_data"): value for name, value in data.items()}
    likelihood.observe("score", expected, parameters, observed)
