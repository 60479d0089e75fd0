"""Coordinates of the group effects: plain ones, and those in which NUTS moves freely.

In the plain coordinates, effect = scale * z with z standard Normal, the posterior is badly shaped:
an ability and the loadings, a deviation and its scale, a family's effect and its recipes' can all
be traded for each other along curved ridges, and NUTS needs about a hundred small steps to follow
them.

The remedy is to let the effects follow whatever they depend on. Around a rough expectation, every
score is nearly a Normal measurement of its eta. Given the other parameters, the effects would then
have a joint Normal posterior that can be written down: families, recipes and LLMs form a tree, and
information flows up it and estimates flow down. An effect is declared as its conditional
mean plus w times its conditional standard deviation. So w is nearly standard Normal and nearly
independent of all else, whatever the data: where an LLM has many scores this is centring,
where it has none this is non-centring.

This changes coordinates, not the model: the density that NUTS sees is that of the plain model with
the Jacobian of the change, exactly, however rough the expectation. (Interpolation between centred
and non-centred coordinates: Papaspiliopoulos, Roberts and Skoeld, 2007, Statistical Science 22.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from latentscale.benchmark_coordinates import Curve
from latentscale.design import Design
from latentscale.kernels import arguments
from latentscale.kernels.operations import effects_and_density
from latentscale.likelihoods import likelihood_of
from latentscale.spec import ModelSpec

# Dims of each effect.
_DIMS: Mapping[str, tuple[str, ...]] = {
    "family_effect": ("family", "skill"),
    "recipe_effect": ("recipe", "skill"),
    "llm_effect": ("llm", "skill"),
    "family_slope": ("family", "slope_feature", "skill"),
    "family_deviation": ("family", "benchmark"),
    "recipe_deviation": ("recipe", "benchmark"),
}

# Nearer to floor or ceiling than these shares of the way up, a score alone says little of its
# logit.
_FIRST = (0.03, 0.97)


@dataclass(frozen=True, eq=False)
class Outline:
    """What of a model is known before its group effects: data, and symbolic parameters.

    Attributes
    ----------
    design, spec
        The table and the settings.
    data : dict
        The data of the graph, by name.
    explained : dims (llm, skill)
        Ability without the group effects.
    difficulty : dims (benchmark,)
    slopes : dims (benchmark, feature) and (benchmark,), or None
        Benchmarks' own slopes in the features, and in tuning.
    loading : dims (benchmark, skill)
    curve : Curve
        From logits to expected scores.
    scatter : dict
        The parameters of the likelihood.
    """

    design: Design
    spec: ModelSpec
    data: Mapping[str, Any]
    explained: Any
    difficulty: Any
    slopes: tuple[Any, Any] | None
    loading: Any
    curve: Curve
    scatter: Mapping[str, Any]


def declare_effects(scales: Mapping[str, Any]) -> dict[str, Any]:
    """Declare effects in plain coordinates: scale * z, with z standard Normal."""
    return {name: _plain(name, scale) for name, scale in scales.items()}


def _plain(name: str, scale: Any) -> Any:
    z = pm.Normal(f"{name.removesuffix('_effect')}_z", 0, 1, dims=_DIMS[name])
    return pm.Deterministic(name, scale * z, dims=_DIMS[name])


def family_slope_part(data: Mapping[str, Any], family_slope: Any) -> Any:
    """x_i family_slope[f(i)]; (llm, skill)."""
    return (data["x_slope"][:, :, None] * family_slope[data["family_of_llm"]]).sum(axis=1)


def ability_effects(data: Mapping[str, Any], effects: Mapping[str, Any]) -> Any:
    """family_effect[f(i)] + recipe_effect[r(i)] + llm_effect_i (+ x_i family_slope[f(i)])."""
    total = (
        effects["family_effect"][data["family_of_llm"]]
        + effects["recipe_effect"][data["recipe_of_llm"]]
        + effects["llm_effect"]
    )
    if "family_slope" in effects:
        total += family_slope_part(data, effects["family_slope"])
    return total


def first_guess(design: Design) -> np.ndarray:
    """Give rough expectations from the scores alone, dims (obs,)."""
    chance = design.chance[design.benchmark_of_obs]
    low, high = (chance + share * (1 - chance) for share in _FIRST)
    guess: np.ndarray = np.clip(design.score, low, high)
    return guess


def declare_in_coordinates(scales: Mapping[str, Any], outline: Outline, guess: np.ndarray) -> None:
    """Declare effects as what the scores nearly say, plus w times their uncertainty.

    With them come abilities, and the density of effects and scores.

    Parameters
    ----------
    scales : mapping of str to variable
        The scale of each effect.
    outline : Outline
    guess : numpy.ndarray, dims (obs,)
        Rough expectations of the scores: data ``guess`` of the graph.
    """
    explained = outline.explained
    if "family_slope" in scales:
        family_slope = _plain("family_slope", scales["family_slope"])
        explained = explained + family_slope_part(outline.data, family_slope)
    cells, llms = _known(outline, guess)
    parameters = arguments.Parameters(
        curve=_whole_curve(outline.curve),
        scatter=_whole_scatter(outline),
        benchmarks=_benchmarks(outline),
        explained=explained,
        precisions=_precisions(arguments.OfSkills, "{}_effect", scales),
        w=_w(arguments.OfSkills, "{}_effect", scales),
        deviation_precisions=_precisions(arguments.OfDeviations, "{}_deviation", scales),
        deviation_w=_w(arguments.OfDeviations, "{}_deviation", scales),
    )
    spec = outline.spec
    values, density = effects_and_density(spec.skills, spec.likelihood, cells, llms, parameters)
    pm.Potential("effects_and_scores", density)
    _report(values, explained, llms, scales)


def shared_positions(graph: pm.Model, shapes: Mapping[str, tuple[int, ...]]) -> np.ndarray:
    """Find, among a sampler's coordinates, the parameters that all LLMs share.

    Parameters
    ----------
    graph : pymc.Model
        In coordinates, that is, built with a guess.
    shapes : mapping of str to tuple of int
        Shape of each variable in the sampler's coordinates.

    Returns
    -------
    numpy.ndarray of int
    """
    groups = {"family", "recipe", "llm"}
    flags = []
    for variable in graph.free_RVs:
        size = int(np.prod(shapes[graph.rvs_to_values[variable].name]))
        of_group = groups & set(graph.named_vars_to_dims.get(variable.name, ()))
        flags += [not of_group] * size
    return np.flatnonzero(flags)


def _known(outline: Outline, guess: np.ndarray) -> tuple[arguments.Cells, arguments.Llms]:
    """Give scores and where they belong, as data of the graph."""
    design, data = outline.design, outline.data
    if likelihood_of(outline.spec.likelihood).uses_counts:
        score, trials = data["successes_data"], data["trials_data"]
    else:
        score, trials = data["score_data"], pt.ones_like(data["score_data"])
    family_of_recipe = np.zeros(len(design.recipes), dtype=int)
    family_of_recipe[design.recipe_of_llm] = design.family_of_llm
    cells = arguments.Cells(
        score=score.astype(float),
        trials=trials.astype(float),
        guess=pm.Data("guess", guess, dims="obs"),
        llm=data["llm_of_obs"],
        benchmark=data["benchmark_of_obs"],
    )
    llms = arguments.Llms(
        x=data["x"],
        tuned=data["tuned"],
        recipe=data["recipe_of_llm"],
        family_of_recipe=pm.Data("family_of_recipe", family_of_recipe, dims="recipe"),
    )
    return cells, llms


def _whole_curve(curve: Curve) -> arguments.Curve:
    asymmetry = pt.ones_like(curve.floor) if curve.asymmetry is None else curve.asymmetry
    return arguments.Curve(curve.floor, curve.ceiling, asymmetry)


def _whole_scatter(outline: Outline) -> arguments.Scatter:
    """Give the parameters of the likelihood, and any number for those that it lacks."""
    precision = outline.scatter.get("precision", pt.ones_like(outline.curve.floor))
    tail = outline.scatter.get("tail", pt.as_tensor(1.0))
    return arguments.Scatter(precision, tail.reshape((1,)))


def _benchmarks(outline: Outline) -> arguments.Benchmarks:
    slope, tuning = outline.slopes or (
        pt.zeros((outline.difficulty.shape[0], outline.data["x"].shape[1])),
        pt.zeros_like(outline.difficulty),
    )
    return arguments.Benchmarks(outline.difficulty, slope, tuning, outline.loading)


def _precisions(groups: Any, pattern: str, scales: Mapping[str, Any]) -> Any:
    """Give one over the squared scale at each level of a tree, or one where there is no effect."""
    found = [scales.get(pattern.format(group)) for group in groups._fields]
    return groups(*(pt.ones(1) if scale is None else scale**-2 for scale in found))


def _w(groups: Any, pattern: str, scales: Mapping[str, Any]) -> Any:
    """Declare the coordinates at each level of a tree; none where there is no effect."""
    found = []
    for group in groups._fields:
        name = pattern.format(group)
        w_name = f"{name.removesuffix('_effect')}_w"
        w = pm.Flat(w_name, dims=_DIMS[name]) if name in scales else pt.zeros((0, 1))
        found.append(w)
    return groups(*found)


def _report(
    values: list[Any], explained: Any, llms: arguments.Llms, scales: Mapping[str, Any]
) -> None:
    """Report abilities, and as the effect of a group what it adds to the group above it."""
    family, recipe, llm, family_deviation, recipe_deviation = values
    effects = {
        "family_effect": family,
        "recipe_effect": recipe - family[llms.family_of_recipe],
        "llm_effect": llm - recipe[llms.recipe],
    }
    if "family_deviation" in scales:
        effects |= {
            "family_deviation": family_deviation,
            "recipe_deviation": recipe_deviation - family_deviation[llms.family_of_recipe],
        }
    for name, value in effects.items():
        pm.Deterministic(name, value, dims=_DIMS[name])
    pm.Deterministic("ability", explained + llm, dims=("llm", "skill"))
