"""The model as a PyMC graph: the only file that declares random variables.

It reads like the Model section of the README, from top to bottom and with the same symbols::

    ability_i   = x_i feature_slope + tuned_i tuning_shift + family_effect[f(i)]
                  + recipe_effect[r(i)] + llm_effect_i (+ x_i family_slope[f(i)])
    family_effect_f ~ Normal(developer_effect[d(f)], family_scale)
    recipe_effect_r ~ StudentT(recipe_tail, 0, recipe_scale)
    effects on skills k and l correlate by sqrt(communality_k communality_l)
    eta_ij      = difficulty_j + loading_j . ability_i + x_i benchmark_slope_j
                  + tuned_i benchmark_tuning_j + family_deviation[f(i), j]
                  + recipe_deviation[r(i), j] (+ condition_ij condition_shift_j)
    expected_ij = floor_j + (ceiling_j - floor_j) rise(eta_ij, asymmetry_j)
    score_ij    ~ Likelihood(expected_ij, precision_j)

Identification. A skill has no scale, origin, sign or direction of its own:

* scale, sign and direction: one anchor benchmark per skill loads on that skill only, by exactly 1,
  so that an ability is in logits of its anchor;
* what is a skill's and what a benchmark's: of its own, an anchor has neither deviations nor slopes.
  How families differ on it is how they differ in its skill;
* origin: effects of developers, recipes and LLMs have mean zero in their populations, and so have
  those of families where a model has no developers.

So in these equations family_deviation, recipe_deviation, benchmark_slope and benchmark_tuning are
those of free benchmarks, and zero for anchors. (Were they not, a skill that one benchmark measures
and the deviations from it would trade places. On the bundled leaderboard, families dealt to ten
folds, predictions are as good without, mean absolute error and CRPS in points::

    anchors            none known  smallest   two known  largest    suite      future     tuned
    with their own     4.37 3.18   3.41 2.45  3.37 2.42  3.01 2.18  2.27 1.63  5.46 4.04  3.79 2.78
    with nothing       4.36 3.17   3.42 2.46  3.36 2.42  3.01 2.17  2.25 1.62  5.37 3.98  3.81 2.79

and the worst bulk ESS of 3,200 draws was 343 and 324 with, and is 698 and 502 without.)

Most recipes hardly differ from their family, and a few differ a lot: so their effects on skills are
a multivariate Student t's, in which who is outlying in one skill is likely to be so in all. (Where
``recipe_tail`` is None they are Normal.)

Who is better at one skill than features say is likely to be so at the others: so effects of
developers, families, recipes and LLMs correlate between skills. Of the variance of a skill's, its
communality is shared by all skills; scales are those of a single skill. (Of the same folds::

    effects            none known  smallest   two known  largest    suite      future     tuned
    independent        4.36 3.17   3.42 2.46  3.36 2.42  3.01 2.17  2.25 1.62  5.37 3.98  3.81 2.79
    correlate          4.39 3.19   3.43 2.47  3.38 2.42  3.02 2.17  2.12 1.54  5.42 4.02  3.80 2.79
    those of LLMs not  4.40 3.19   3.40 2.44  3.38 2.42  3.00 2.17  2.21 1.60  5.46 4.05  3.78 2.79

Another seed moves these errors by 0.01 or 0.02. All hidden scores of a family together are more
probable where effects correlate: by 56 in the logarithm over the 46 families of which none was
known, standard error over families 17, by 48 (20) where the smallest was, by 12 (7) of tuned LLMs.)

``rise`` is the link (:mod:`latentscale.links`): a sigmoid, more or less asymmetric.

Features that are shrunk move skills alone, no benchmark beyond them: benchmark_slope_j is zero
there. Their slopes are relative to the relevance of their term, a regularised horseshoe with a slab
of one (Piironen and Vehtari 2017, Electronic Journal of Statistics 11)::

    relevance_t = s_t / sqrt(1 + s_t^2),    s_t = relevance_scale relevance_local_t

Features that are unknown of LLMs are summed out: what they move abilities and logits by is part of
the effects of families and LLMs, whose density then is a mixture over configurations of what is
unknown (:mod:`latentscale.unknown`). It stands as a potential, ``unknown``.

NUTS samples the same posterior in other coordinates (:mod:`latentscale.coordinates`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from scipy.linalg import helmert

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
    "relevance",
    "tuning_shift",
    "developer_effect",
    "family_effect",
    "recipe_effect",
    "llm_effect",
    "family_slope",
    "communality",
    "family_scale",
    "developer_scale",
    "recipe_scale",
    "llm_scale",
    "family_slope_scale",
    "loading",
    "difficulty",
    "benchmark_slope",
    "benchmark_tuning",
    "slope_scale",
    "tuning_scale",
    "condition_shift",
    "condition_scale",
    "developer_deviation",
    "family_deviation",
    "recipe_deviation",
    "developer_deviation_scale",
    "family_deviation_scale",
    "recipe_deviation_scale",
    "floor",
    "ceiling",
    "asymmetry",
    "precision",
    "tail",
)


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
    coords = design.coords(spec.skill_names, spec.family_slopes, spec.anchors)
    with pm.Model(coords=coords) as model:
        data = _declare_data(design, spec)
        relevance = _relevance(design, spec, priors)
        curve = _curve(data, spec, priors)
        difficulty = priors["difficulty"].declare("difficulty", dims="benchmark")
        loading = _loading(design, spec, priors)
        scatter = _scatter(spec, priors)
        explained = _explained_ability(data, design, priors, relevance)
        own_slopes = _benchmark_slopes(data, design, spec, priors)
        scales = _scales(spec, priors)
        root = _root_of_correlation(spec, priors)
        effects = _effects(data, scales, root, design, spec)
        _sum_out_unknown(design, spec, effects, scales, root)
        columns = slope_columns(design.encoding, spec.family_slopes)
        ability = explained + _ability_effects(data, effects, columns)
        pm.Deterministic("ability", ability, dims=("llm", "skill"))
        eta = (
            difficulty[data["benchmark_of_obs"]]
            + at_cells(ability, loading, data)
            + own_slopes
            + _condition_shifts(data, spec, priors)
            + _deviations(data, effects)
        )
        _observe(data, spec, scatter, _expected(data, curve, eta))
    return model


def kept_variables(graph: pm.Model, priors: Mapping[str, Prior]) -> list[str]:
    """Name the variables to store: what the posterior reports and what has a prior."""
    return [name for name in dict.fromkeys((*REPORTED, *priors)) if name in graph.named_vars]


def _declare_data(design: Design, spec: ModelSpec) -> dict[str, Any]:
    """Put every array into the graph as data, so that it can be exchanged."""
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
    if spec.developers:
        arrays["developer_of_family"] = (design.developer_of_family, "family")
    if spec.conditions:
        arrays["condition_data"] = (design.condition, ("obs", "condition"))
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


def _relevance(design: Design, spec: ModelSpec, priors: Mapping[str, Prior]) -> Any:
    """relevance_t: the share of its prior that slopes keep; (feature,), or None for all of it."""
    if not spec.shrunk:
        return None
    scale = priors["relevance_scale"].declare("relevance_scale", dims=None)
    local = priors["relevance_local"].declare("relevance_local", dims="term")
    size = scale * local
    relevance = pm.Deterministic("relevance", size / pt.sqrt(1 + size**2), dims="term")
    return pt.concatenate([[1.0], relevance])[design.shrinkage.term + 1]


def _explained_ability(
    data: Mapping[str, Any], design: Design, priors: Mapping[str, Prior], relevance: Any
) -> Any:
    """x_i feature_slope + tuned_i tuning_shift: what features and tuning explain; (llm, skill)."""
    dims = ("feature", "skill")
    if relevance is None:
        slope = priors["feature_slope"].declare("feature_slope", dims=dims)
    else:
        z = priors["feature_slope"].declare("feature_slope_z", dims=dims)
        # Steps of monotone terms only ever rise.
        steps = pt.where(design.encoding.is_step[:, None], pt.exp(z), z)
        slope = pm.Deterministic("feature_slope", relevance[:, None] * steps, dims=dims)
    shift = priors["tuning_shift"].declare("tuning_shift", dims="skill")
    return matrix_product(data["x"], slope) + data["tuned"][:, None] * shift


def _scales(spec: ModelSpec, priors: Mapping[str, Prior]) -> dict[str, Any]:
    """How much developers, families, recipes and LLMs differ, by effect.

    All but families are declared relative to these.
    """
    family = priors["family_scale"].declare("family_scale", dims="skill")
    scales = {"family_effect": family}
    developers = ("developer",) if spec.developers else ()
    for group in (*developers, "recipe", "llm"):
        ratio = priors[f"{group}_ratio"].declare(f"{group}_ratio", dims="skill")
        scales[f"{group}_effect"] = pm.Deterministic(f"{group}_scale", family * ratio, dims="skill")
    if spec.family_slopes:
        dims = ("slope_feature", "skill")
        ratio = priors["family_slope_ratio"].declare("family_slope_ratio", dims=dims)
        scales["family_slope"] = pm.Deterministic("family_slope_scale", family * ratio, dims=dims)
    for group in (*developers, "family", "recipe") if spec.deviations else ():
        name = f"{group}_deviation_scale"
        scales[f"{group}_deviation"] = priors[name].declare(name, dims="free_benchmark")
    return scales


# Dims of each effect.
_EFFECT_DIMS: Mapping[str, tuple[str, ...]] = {
    "developer_effect": ("developer", "skill"),
    "family_effect": ("family", "skill"),
    "recipe_effect": ("recipe", "skill"),
    "llm_effect": ("llm", "skill"),
    "family_slope": ("family", "slope_feature", "skill"),
    "developer_deviation": ("developer", "benchmark"),
    "family_deviation": ("family", "benchmark"),
    "recipe_deviation": ("recipe", "benchmark"),
}

# The mean of an effect of families, where a model has developers; that of all others is zero.
_MEAN_OF_FAMILIES = {
    "family_effect": "developer_effect",
    "family_deviation": "developer_deviation",
}


def _root_of_correlation(spec: ModelSpec, priors: Mapping[str, Prior]) -> Any:
    """Give the lower Cholesky factor of the correlation of effects between skills."""
    if spec.skills == 1:
        return np.eye(1)
    common = pt.sqrt(priors["communality"].declare("communality", dims="skill"))
    correlation = pt.outer(common, common) * (1 - np.eye(spec.skills)) + np.eye(spec.skills)
    return pt.linalg.cholesky(correlation)


def _effects(
    data: Mapping[str, Any],
    scales: Mapping[str, Any],
    root: Any,
    design: Design,
    spec: ModelSpec,
) -> dict[str, Any]:
    """Declare the effects of all groups, developers first."""
    effects: dict[str, Any] = {}
    for name in sorted(scales, key=list(_EFFECT_DIMS).index):
        of_developers = effects.get(_MEAN_OF_FAMILIES.get(name, ""))
        mean = 0.0 if of_developers is None else of_developers[data["developer_of_family"]]
        tail = spec.recipe_tail if name == "recipe_effect" else None
        standard = _standard(name, tail)
        if name.endswith("_effect"):
            standard = matrix_product(standard, root.T)
        spread = scales[name] * standard
        if name.endswith("_deviation"):
            spread = _on_all(spread, design, spec)
        effects[name] = pm.Deterministic(name, mean + spread, dims=_EFFECT_DIMS[name])
    return effects


def _standard(effect: str, tail: float | None) -> Any:
    """Declare what an effect is relative to its scale: standard Normal, or a t of its tail."""
    name = f"{effect.removesuffix('_effect')}_z"
    dims = tuple("free_benchmark" if dim == "benchmark" else dim for dim in _EFFECT_DIMS[effect])
    if tail is None:
        return pm.Normal(name, 0, 1, dims=dims)
    n_columns = len(pm.modelcontext(None).coords[dims[-1]])
    independent = {"mu": np.zeros(n_columns), "scale": np.eye(n_columns)}
    return pm.MvStudentT(name, nu=tail, **independent, dims=dims)


def _on_all(values: Any, design: Design, spec: ModelSpec) -> Any:
    """Give what only free benchmarks have to all of them, (..., benchmark); zero for anchors."""
    none = pt.zeros((*values.shape[:-1], len(design.benchmarks)))
    return pt.set_subtensor(none[..., design.free_benchmarks(spec.anchors)], values)


def _sum_out_unknown(
    design: Design,
    spec: ModelSpec,
    effects: Mapping[str, Any],
    scales: Mapping[str, Any],
    root: Any,
) -> None:
    """Turn the densities of effects into mixtures over configurations of what is unknown.

    By the factor mean over c of exp(sum over effects of z z_c - z_c^2 / 2) for each family of which
    something is unknown, with z and z_c the effect and its shift relative to scale and correlation.
    """
    unknowns = design.unknowns
    if not len(unknowns):
        return
    model, n = pm.modelcontext(None), unknowns.shift.shape[1]
    developers = design.developer_of_family[unknowns.family]

    def of_families(name: str, above: str, slope: Any, whole: Any, which: Any = slice(None)) -> Any:
        effect = effects[name][unknowns.family]
        if above in effects:
            effect -= effects[above][developers]
        return _gain(effect[:, which], unknowns.shift, slope, scales[name], whole)

    slope = model["feature_slope"][unknowns.columns]
    gains = of_families("family_effect", "developer_effect", slope, root)
    if "family_deviation" in effects and "benchmark_slope" in model.named_vars:
        free = design.free_benchmarks(spec.anchors)
        own = model["benchmark_slope"].T[unknowns.columns][:, free]
        gains += of_families("family_deviation", "developer_deviation", own, None, free)
    if len(unknowns.llm):
        effect, scale = effects["llm_effect"][unknowns.llm], scales["llm_effect"]
        of_llms = _gain(effect, unknowns.off, slope, scale, root)
        gains = pt.inc_subtensor(gains[unknowns.of_llm], of_llms)
    pm.Potential("unknown", (pt.logsumexp(gains, axis=1) - np.log(n)).sum())


def _gain(effect: Any, moved: np.ndarray, slope: Any, scale: Any, root: Any = None) -> Any:
    """Give the sum of z z_c - z_c^2 / 2, dims (group, configuration).

    ``root`` is that of the correlation; default: there is none.
    """
    z, shift = effect / scale, (moved[..., None] * slope).sum(axis=2) / scale
    if root is not None:
        inverse: Any = pt.linalg.inv(root.T)
        z, shift = matrix_product(z, inverse), shift @ inverse
    return (shift * (z[:, None] - shift / 2)).sum(axis=-1)


def _ability_effects(
    data: Mapping[str, Any], effects: Mapping[str, Any], columns: np.ndarray
) -> Any:
    """family_effect[f(i)] + recipe_effect[r(i)] + llm_effect_i (+ x_i family_slope[f(i)])."""
    total = (
        effects["family_effect"][data["family_of_llm"]]
        + effects["recipe_effect"][data["recipe_of_llm"]]
        + effects["llm_effect"]
    )
    if "family_slope" in effects:
        of_llm = effects["family_slope"][data["family_of_llm"]]
        total += (data["x"][:, columns][:, :, None] * of_llm).sum(axis=1)
    return total


def _loading(design: Design, spec: ModelSpec, priors: Mapping[str, Prior]) -> Any:
    """loading_j: an anchor loads on its own skill only, by 1; the others are free.

    Skills rise together with scale, so the data determine the sum of a benchmark's loadings far
    better than their differences: the two are declared apart.
    """
    is_anchor = np.zeros((len(design.benchmarks), spec.skills))
    for k, anchor in enumerate(spec.anchors):
        is_anchor[design.benchmarks.index(anchor), k] = 1.0
    is_free = ~is_anchor.any(axis=1)
    total = priors["total_loading"].declare("total_loading", dims="benchmark")
    columns = [is_anchor[:, k] + is_free * total / spec.skills for k in range(spec.skills)]
    if spec.skills > 1:
        dims = ("benchmark", "contrast")
        contrast = priors["loading_contrast"].declare("loading_contrast", dims=dims)
        weights = helmert(spec.skills)  # orthonormal, each row sums to zero
        for k in range(spec.skills):
            columns[k] += is_free * (contrast * weights[:, k]).sum(axis=1)
    return pm.Deterministic("loading", side_by_side(columns), dims=("benchmark", "skill"))


def _benchmark_slopes(
    data: Mapping[str, Any], design: Design, spec: ModelSpec, priors: Mapping[str, Prior]
) -> Any:
    """x_i benchmark_slope_j + tuned_i benchmark_tuning_j: beyond the slopes of skills; (obs,).

    Anchors have none, or slopes of skills and of benchmarks would trade off without end. In
    features that are shrunk no benchmark has any.
    """
    if not spec.benchmark_slopes:
        return 0.0
    slope_scale = priors["slope_scale"].declare("slope_scale", dims="own_feature")
    tuning_scale = priors["tuning_scale"].declare("tuning_scale", dims=None)
    slope_z = pm.Normal("benchmark_slope_z", 0, 1, dims=("free_benchmark", "own_feature"))
    tuning_z = pm.Normal("benchmark_tuning_z", 0, 1, dims="free_benchmark")
    own = _on_all((slope_scale * slope_z).T, design, spec).T
    none = pt.zeros((len(design.benchmarks), len(design.encoding.names)))
    slope = pt.set_subtensor(none[:, design.shrinkage.own], own)
    tuning = _on_all(tuning_scale * tuning_z, design, spec)
    pm.Deterministic("benchmark_slope", slope, dims=("benchmark", "feature"))
    pm.Deterministic("benchmark_tuning", tuning, dims="benchmark")
    of_tuned = data["tuned"][data["llm_of_obs"]] * tuning[data["benchmark_of_obs"]]
    return at_cells(data["x"], slope, data) + of_tuned


def _condition_shifts(data: Mapping[str, Any], spec: ModelSpec, priors: Mapping[str, Prior]) -> Any:
    """condition_ij condition_shift_j: what evaluating otherwise adds; (obs,)."""
    if not spec.conditions:
        return 0.0
    scale = priors["condition_scale"].declare("condition_scale", dims="condition")
    z = pm.Normal("condition_z", 0, 1, dims=("benchmark", "condition"))
    shift = pm.Deterministic("condition_shift", scale * z, dims=("benchmark", "condition"))
    return (data["condition_data"] * shift[data["benchmark_of_obs"]]).sum(axis=1)


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
