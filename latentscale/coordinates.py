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
from latentscale.likelihoods import likelihood_of
from latentscale.links import symbolic_logit_and_slope
from latentscale.products import at_cells
from latentscale.smoother import smooth_deviations, smooth_effects
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

# Nearer to floor or ceiling than these shares of the way up, a score says little of its logit: for
# guesses from the scores alone, and for rough expectations.
_FIRST = (0.03, 0.97)
_ROUGH = (0.005, 0.995)


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
    own : dims (obs,)
        eta without ability and deviations.
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
    own: Any
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


def declare_in_coordinates(
    scales: Mapping[str, Any], outline: Outline, guess: np.ndarray
) -> dict[str, Any]:
    """Declare effects as what the scores nearly say, plus w times their uncertainty.

    Parameters
    ----------
    scales : mapping of str to variable
        The scale of each effect.
    outline : Outline
    guess : numpy.ndarray, dims (obs,)
        Rough expectations of the scores: data ``guess`` of the graph.

    Returns
    -------
    dict of str to variable
        The effects, by name.
    """
    effects = {}
    explained = outline.explained
    if "family_slope" in scales:
        effects["family_slope"] = _plain("family_slope", scales["family_slope"])
        explained = explained + family_slope_part(outline.data, effects["family_slope"])
    places = _Places.of(outline)
    near, information = _measurements(outline, places, guess)
    left = near - outline.own - at_cells(explained, outline.loading, outline.data)
    effects |= _effects_on_skills(scales, outline, left, information, places)
    if "family_deviation" in scales:
        ability = outline.explained + ability_effects(outline.data, effects)
        left = near - outline.own - at_cells(ability, outline.loading, outline.data)
        effects |= _deviations(scales, left, information, places)
    for name, value in effects.items():
        if name != "family_slope":
            effects[name] = pm.Deterministic(name, value, dims=_DIMS[name])
    return effects


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


@dataclass(frozen=True, eq=False)
class _Places:
    """Where each score belongs, and each recipe, as data of the graph."""

    llm_of_obs: Any
    benchmark_of_obs: Any
    recipe_of_llm: Any
    family_of_recipe: Any

    @classmethod
    def of(cls, outline: Outline) -> _Places:
        design, data = outline.design, outline.data
        family_of_recipe = np.zeros(len(design.recipes), dtype=int)
        family_of_recipe[design.recipe_of_llm] = design.family_of_llm
        return cls(
            llm_of_obs=data["llm_of_obs"],
            benchmark_of_obs=data["benchmark_of_obs"],
            recipe_of_llm=data["recipe_of_llm"],
            family_of_recipe=pm.Data("family_of_recipe", family_of_recipe, dims="recipe"),
        )


def _measurements(outline: Outline, places: _Places, guess: np.ndarray) -> tuple[Any, Any]:
    """Read every score as a Normal measurement of its eta: its value, and its information.

    A step of Fisher scoring from where the current curve reaches the guess.
    """
    data, of = outline.data, places.benchmark_of_obs
    floor, ceiling, asymmetry = outline.curve
    likelihood = likelihood_of(outline.spec.likelihood)
    if likelihood.uses_counts:
        score = data["successes_data"] / data["trials_data"]
    else:
        score = data["score_data"]
    guessed = pm.Data("guess", guess, dims="obs")
    low, height = floor[of], (ceiling - floor)[of]
    share = ((guessed - low) / height).clip(*_ROUGH)
    at, rate = symbolic_logit_and_slope(share, None if asymmetry is None else asymmetry[of])
    expected, slope = low + height * share, height * rate
    scatter = {k: v[of] if v.ndim else v for k, v in outline.scatter.items()}
    worth = likelihood.information(expected, scatter, data.get("trials_data"))
    return at + (score - expected) / slope, slope**2 * worth


def _effects_on_skills(
    scales: Mapping[str, Any], outline: Outline, left: Any, information: Any, places: _Places
) -> dict[str, Any]:
    """Effects on skills, from measurements that the deviations blur."""
    blur = pt.zeros(len(outline.design.benchmarks))
    if "family_deviation" in scales:
        blur = scales["family_deviation"] ** 2 + scales["recipe_deviation"] ** 2
    groups = ("llm", "recipe", "family")
    w = [pm.Flat(f"{group}_w", dims=_DIMS[f"{group}_effect"]) for group in groups]
    precisions = [scales[f"{group}_effect"] ** -2 for group in groups]
    where = (places.llm_of_obs, places.benchmark_of_obs)
    parents = (places.recipe_of_llm, places.family_of_recipe)
    family, recipe, llm, log_jacobian = smooth_effects(
        outline.spec.skills, information, left, outline.loading, blur,
        *precisions, *w, *where, *parents,
    )  # fmt: skip
    # The smoother gives each group's total; an effect is what it adds to its parent's.
    effects = {
        "family_effect": family,
        "recipe_effect": recipe - family[places.family_of_recipe],
        "llm_effect": llm - recipe[places.recipe_of_llm],
    }
    density = sum(_log_normal(effects[f"{g}_effect"], scales[f"{g}_effect"]) for g in groups)
    pm.Potential("effects", density + log_jacobian[0])
    return effects


def _deviations(
    scales: Mapping[str, Any], left: Any, information: Any, places: _Places
) -> dict[str, Any]:
    """Deviations on single benchmarks."""
    names = ("recipe_deviation", "family_deviation")
    w = [pm.Flat(f"{name}_w", dims=_DIMS[name]) for name in names]
    precisions = [scales[name] ** -2 for name in names]
    where = (places.recipe_of_llm[places.llm_of_obs], places.benchmark_of_obs)
    family, recipe, log_jacobian = smooth_deviations(
        information, left, *precisions, *w, *where, places.family_of_recipe
    )
    effects = {
        "family_deviation": family,
        "recipe_deviation": recipe - family[places.family_of_recipe],
    }
    density = sum(_log_normal(effects[name], scales[name]) for name in names)
    pm.Potential("deviations", density + log_jacobian[0])
    return effects


def _log_normal(value: Any, sd: Any) -> Any:
    return (-((value / sd) ** 2) / 2 - pt.log(sd) - np.log(2 * np.pi) / 2).sum()
