"""The model as a PyMC graph: the only file that declares random variables.

It reads like the Model section of the README, from top to bottom and with the same symbols::

    ability_i   = x_i B + tuned_i tuning_shift + family_effect[f(i)] + recipe_effect[r(i)]
                  + llm_effect_i (+ x_i family_slope[f(i)])
    eta_ij      = difficulty_j + loading_j . ability_i + x_i benchmark_slope_j
                  + tuned_i benchmark_tuning_j + family_deviation[f(i), j]
                  + recipe_deviation[r(i), j]
    expected_ij = floor_j + (ceiling_j - floor_j) rise(eta_ij, asymmetry_j)
    score_ij    ~ Likelihood(expected_ij, precision_j)

Identification. A skill has no scale, origin, sign or direction of its own:

* scale, sign and direction: one anchor benchmark per skill loads on that skill only, by exactly 1,
  so that an ability is in logits of its anchor;
* origin: effects of families, recipes and LLMs have mean zero in their populations;
* slopes: benchmarks' own slopes are orthogonal to the loadings (``beyond``).

``rise`` is the link (:mod:`latentscale.links`): a sigmoid, more or less asymmetric.

Every array is ``pm.Data``, so that other rows can be fitted without compiling again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.linalg import helmert

from latentscale.benchmark_coordinates import (
    Curve,
    Middle,
    beyond,
    declare_difficulty,
    declare_loadings,
    declare_slopes_in_coordinates,
    orthogonal_columns,
)
from latentscale.coordinates import (
    Outline,
    ability_effects,
    declare_effects,
    declare_in_coordinates,
)
from latentscale.design import Design, slope_columns
from latentscale.likelihoods import likelihood_of
from latentscale.links import symbolic_rise
from latentscale.priors import Prior
from latentscale.products import at_cells, matrix_product, side_by_side
from latentscale.spec import ModelSpec

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
    "asymmetry",
    "precision",
    "tail",
)


def skill_names(anchors: tuple[str, ...]) -> list[str]:
    """Name each skill after the benchmark that it is anchored to."""
    return [f"skill {k + 1} ({anchor})" for k, anchor in enumerate(anchors)]


def build_graph(
    design: Design,
    spec: ModelSpec,
    priors: Mapping[str, Prior],
    guess: np.ndarray | None = None,
) -> pm.Model:
    """Declare the whole model.

    Parameters
    ----------
    design : Design
        Rows, indices and coordinates.
    spec : ModelSpec
        What was asked for.
    priors : mapping of str to Prior
        One for every variable, as :func:`latentscale.priors.merge_priors` gives them.
    guess : numpy.ndarray, dims (obs,), optional
        Rough expectations of the scores. With them the same posterior is written in
        coordinates in which NUTS moves freely (:mod:`latentscale.coordinates`); the effects then
        have no random variables of their own, and the prior cannot be drawn from.

    Returns
    -------
    pymc.Model
        With the observed variable ``score``, dims (obs,).
    """
    coords = design.coords(skill_names(spec.anchors), spec.family_slopes)
    with pm.Model(coords=coords) as model:
        data = _declare_data(design, spec)
        in_coordinates = guess is not None
        curve = _curve(data, spec, priors)
        middle = Middle.of(curve, design) if in_coordinates else None
        difficulty = declare_difficulty(priors["difficulty"], middle)
        loading = _loading(design, spec, priors, middle)
        scatter = _scatter(spec, priors)
        explained = _explained_ability(data, spec, priors)
        slopes = _benchmark_slopes(design, spec, priors, loading, in_coordinates)
        scales = _scales(spec, priors)
        outline = Outline(
            design, spec, data, explained, difficulty, slopes, loading, curve, scatter
        )
        if guess is None:
            _declare_plainly(scales, outline)
        else:
            declare_in_coordinates(scales, outline, guess)
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


def _explained_ability(data: dict[str, Any], spec: ModelSpec, priors: Mapping[str, Prior]) -> Any:
    """x_i B + tuned_i tuning_shift: what features and tuning explain; (llm, skill)."""
    slope = priors["feature_slope"].declare("feature_slope", dims=("feature", "skill"))
    shift = priors["tuning_shift"].declare("tuning_shift", dims="skill")
    return matrix_product(data["x"], slope) + data["tuned"][:, None] * shift


def _scales(spec: ModelSpec, priors: Mapping[str, Prior]) -> dict[str, Any]:
    """How much families, recipes and LLMs differ, by effect.

    Recipes and LLMs are declared relative to families.
    """
    family = priors["family_scale"].declare("family_scale", dims="skill")
    scales = {"family_effect": family}
    for group in ("recipe", "llm"):
        ratio = priors[f"{group}_ratio"].declare(f"{group}_ratio", dims="skill")
        scales[f"{group}_effect"] = pm.Deterministic(f"{group}_scale", family * ratio, dims="skill")
    if spec.family_slopes:
        dims = ("slope_feature", "skill")
        ratio = priors["family_slope_ratio"].declare("family_slope_ratio", dims=dims)
        scales["family_slope"] = pm.Deterministic("family_slope_scale", family * ratio, dims=dims)
    for group in ("family", "recipe") if spec.deviations else ():
        name = f"{group}_deviation_scale"
        scales[f"{group}_deviation"] = priors[name].declare(name, dims="benchmark")
    return scales


def _loading(
    design: Design, spec: ModelSpec, priors: Mapping[str, Prior], middle: Middle | None
) -> Any:
    """loading_j: an anchor loads on its own skill only, by 1; the others are free.

    Skills rise together with scale, so the data determine the sum of a benchmark's loadings far
    better than their differences: the two are sampled apart.
    """
    is_anchor = np.zeros((len(design.benchmarks), spec.skills))
    for k, anchor in enumerate(spec.anchors):
        is_anchor[design.benchmarks.index(anchor), k] = 1.0
    is_free = ~is_anchor.any(axis=1)
    total, contrasts = declare_loadings(priors, middle, is_free, spec.skills)
    weights = helmert(spec.skills) if contrasts else []  # orthonormal, each sums to zero
    columns = []
    for k in range(spec.skills):
        free = total / spec.skills
        for contrast, weight in zip(contrasts, weights, strict=True):
            free += contrast * weight[k]
        columns.append(is_anchor[:, k] + is_free * free)
    return pm.Deterministic("loading", side_by_side(columns), dims=("benchmark", "skill"))


def _benchmark_slopes(
    design: Design, spec: ModelSpec, priors: Mapping[str, Prior], loading: Any, in_coordinates: bool
) -> tuple[Any, Any] | None:
    """benchmark_slope_j and benchmark_tuning_j: beyond the slopes of skills.

    A slope shared by all benchmarks in proportion to their loadings is a slope of the skills. Only
    the part orthogonal to the loadings is left here, or the two would trade off without end.
    """
    if not spec.benchmark_slopes:
        return None
    slope_scale = priors["slope_scale"].declare("slope_scale", dims="feature")
    tuning_scale = priors["tuning_scale"].declare("tuning_scale", dims=None)
    if in_coordinates:
        scale = pt.concatenate([slope_scale, tuning_scale[None]])
        slopes = declare_slopes_in_coordinates(scale, loading, design, spec)
    else:
        slope_z = pm.Normal("benchmark_slope_z", 0, 1, dims=("benchmark", "feature"))
        tuning_z = pm.Normal("benchmark_tuning_z", 0, 1, dims="benchmark")
        raw = pt.concatenate([slope_scale * slope_z, (tuning_scale * tuning_z)[:, None]], axis=1)
        slopes = beyond(raw, orthogonal_columns(loading, spec.skills))
    slope, tuning = slopes[:, :-1], slopes[:, -1]
    pm.Deterministic("benchmark_slope", slope, dims=("benchmark", "feature"))
    pm.Deterministic("benchmark_tuning", tuning, dims="benchmark")
    return slope, tuning


def _curve(data: dict[str, Any], spec: ModelSpec, priors: Mapping[str, Prior]) -> Curve:
    """floor_j: a little below chance; ceiling_j: between chance and 1; asymmetry_j."""
    chance = data["chance"]
    slack = priors["floor_slack"].declare("floor_slack", dims="benchmark")
    floor = pm.Deterministic("floor", chance * (1 - slack), dims="benchmark")
    share = pt.ones_like(floor)
    if spec.ceiling:
        share = priors["ceiling_share"].declare("ceiling_share", dims="benchmark")
    ceiling = pm.Deterministic("ceiling", chance + (1 - chance) * share, dims="benchmark")
    asymmetry = None
    if spec.link == "asymmetric":
        asymmetry = priors["asymmetry"].declare("asymmetry", dims="benchmark")
    return Curve(floor, ceiling, asymmetry)


def _scatter(spec: ModelSpec, priors: Mapping[str, Prior]) -> dict[str, Any]:
    """precision_j, and for a Student t the tail: how scores scatter around their expectation."""
    scatter = {}
    if spec.likelihood != "binomial":
        scatter["precision"] = priors["precision"].declare("precision", dims="benchmark")
    if likelihood_of(spec.likelihood).has_tail:
        scatter["tail"] = priors["tail"].declare("tail", dims=None)
    return scatter


def _declare_plainly(scales: Mapping[str, Any], outline: Outline) -> None:
    """Effects, abilities, eta and scores, as the equations say."""
    data, spec = outline.data, outline.spec
    effects = declare_effects(scales)
    ability = outline.explained + ability_effects(data, effects)
    pm.Deterministic("ability", ability, dims=("llm", "skill"))
    eta = (
        outline.difficulty[data["benchmark_of_obs"]]
        + at_cells(ability, outline.loading, data)
        + _slopes_at_cells(outline)
        + _deviations(data, effects)
    )
    _observe(data, spec, outline.scatter, _expected(data, outline.curve, eta))


def _slopes_at_cells(outline: Outline) -> Any:
    """x_i benchmark_slope_j + tuned_i benchmark_tuning_j; (obs,)."""
    if outline.slopes is None:
        return 0.0
    data, (slope, tuning) = outline.data, outline.slopes
    of_tuned = data["tuned"][data["llm_of_obs"]] * tuning[data["benchmark_of_obs"]]
    return at_cells(data["x"], slope, data) + of_tuned


def _deviations(data: Mapping[str, Any], effects: Mapping[str, Any]) -> Any:
    """family_deviation[f(i), j] + recipe_deviation[r(i), j]; (obs,)."""
    if "family_deviation" not in effects:
        return 0.0
    llm, benchmark = data["llm_of_obs"], data["benchmark_of_obs"]
    return (
        effects["family_deviation"][data["family_of_llm"][llm], benchmark]
        + effects["recipe_deviation"][data["recipe_of_llm"][llm], benchmark]
    )


def _expected(data: Mapping[str, Any], curve: Curve, eta: Any) -> Any:
    """floor_j + (ceiling_j - floor_j) rise(eta_ij, asymmetry_j); (obs,)."""
    benchmark = data["benchmark_of_obs"]
    height = (curve.ceiling - curve.floor)[benchmark]
    return curve.floor[benchmark] + height * symbolic_rise(eta, curve.asymmetry, benchmark)


def _observe(
    data: Mapping[str, Any], spec: ModelSpec, scatter: Mapping[str, Any], expected: Any
) -> None:
    """score_ij ~ Likelihood(expected_ij, precision_j)."""
    parameters = dict(scatter)
    if "precision" in parameters:
        parameters["precision"] = parameters["precision"][data["benchmark_of_obs"]]
    observed = {name.removesuffix("_data"): value for name, value in data.items()}
    likelihood_of(spec.likelihood).observe("score", expected, parameters, observed)
