"""The model run forward in numpy: from posterior draws to expected and new scores.

The same equations as in graph.py, for LLMs old and new. Effects of groups that were not fitted are
drawn from their populations and stand behind the fitted ones, so that one formula serves all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from latentscale.design import Design, slope_columns
from latentscale.links import rise
from latentscale.spec import ModelSpec
from latentscale.unknown import Unknowns, drawn_design

# Group effects: posterior variable, variable of its scale, dims after the group's own.
EFFECTS = {
    "developer_effect": "developer_scale",
    "family_effect": "family_scale",
    "recipe_effect": "recipe_scale",
    "llm_effect": "llm_scale",
    "family_slope": "family_slope_scale",
    "developer_deviation": "developer_deviation_scale",
    "family_deviation": "family_deviation_scale",
    "recipe_deviation": "recipe_deviation_scale",
}


@dataclass(frozen=True, eq=False)
class Members:
    """Which LLMs are asked about: features, and positions of their groups.

    A position below the number of fitted developers (families, recipes, LLMs) is a fitted one; the
    positions from there on are new groups, numbered in order.

    Attributes
    ----------
    x : numpy.ndarray, dims (llm, feature)
        Where features are unknown, their means. The draws then have ``x`` too, and what benchmarks'
        own slopes see of it, ``x_of_benchmarks``.
    slope_columns : numpy.ndarray of int, dims (slope_feature,)
        The columns of ``x`` whose slopes differ between families.
    tuned, developer, family, recipe, llm : numpy.ndarray, dims (llm,)
    condition : numpy.ndarray or None, dims (llm, benchmark, condition)
        How the LLMs are evaluated, where the model asks.
    """

    x: np.ndarray
    slope_columns: np.ndarray
    tuned: np.ndarray
    developer: np.ndarray
    family: np.ndarray
    recipe: np.ndarray
    llm: np.ndarray
    condition: np.ndarray | None = None

    def __len__(self) -> int:
        """Count the LLMs."""
        return len(self.tuned)

    def developers_of(self, first: int, last: int) -> np.ndarray:
        """Give the developers of families from one position to before another, dims (family,)."""
        found = np.zeros(max(last - first, 0), dtype=int)
        beyond = self.family >= first
        found[self.family[beyond] - first] = self.developer[beyond]
        return found


def fitted_members(design: Design, spec: ModelSpec) -> Members:
    """Ask about the fitted LLMs themselves."""
    return Members(
        x=design.x,
        slope_columns=slope_columns(design.encoding, spec.family_slopes),
        tuned=design.tuned,
        developer=design.developer_of_family[design.family_of_llm],
        family=design.family_of_llm,
        recipe=design.recipe_of_llm,
        llm=np.arange(len(design.llms)),
        condition=design.condition_of_llm,
    )


@dataclass(frozen=True, eq=False)
class Draws:
    """Posterior draws as plain arrays with the draw first.

    Attributes
    ----------
    values : dict of str to numpy.ndarray, dims (draw, ...)
        The posterior's variables; group effects may carry new groups behind the fitted ones.
    n_fitted : dict of str to int
        How many groups of each kind were fitted.
    """

    values: dict[str, np.ndarray]
    n_fitted: dict[str, int]

    def __getitem__(self, name: str) -> np.ndarray:
        """Give one variable."""
        return self.values[name]

    def __contains__(self, name: object) -> bool:
        """Say whether the model has a variable."""
        return name in self.values

    def __len__(self) -> int:
        """Count the draws."""
        return len(self.values["difficulty"])

    def with_values(self, **values: np.ndarray) -> Draws:
        """Give the same draws with some variables replaced."""
        return replace(self, values=self.values | values)

    def take(self, which: np.ndarray) -> Draws:
        """Give the draws at these positions."""
        return replace(self, values={name: value[which] for name, value in self.values.items()})


def read_draws(posterior: xr.Dataset) -> Draws:
    """Flatten chains and draws of a posterior."""
    whole = on_all_benchmarks(posterior).transpose("chain", "draw", ...)
    n_draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    return Draws(
        # Not by `stack`, which fails on variables without elements.
        values={
            str(name): whole[name].to_numpy().reshape(n_draws, *whole[name].shape[2:])
            for name in posterior.data_vars
        },
        n_fitted={
            group: posterior.sizes.get(group, 0)
            for group in ("developer", "family", "recipe", "llm")
        },
    )


def on_all_benchmarks(posterior: xr.Dataset, of_anchors: float = 0.0) -> xr.Dataset:
    """Give what only free benchmarks have, the scales of deviations, to all of them.

    Parameters
    ----------
    posterior : xarray.Dataset
    of_anchors : float, default 0.0
        Their scale: they deviate by nothing.

    Returns
    -------
    xarray.Dataset
        With ``benchmark`` in place of ``free_benchmark``.
    """
    if "free_benchmark" not in posterior.dims:
        return posterior
    of_free = {
        name: values.rename(free_benchmark="benchmark").reindex(
            benchmark=posterior["benchmark"], fill_value=of_anchors
        )
        for name, values in posterior.items()
        if "free_benchmark" in values.dims
    }
    return posterior.drop_dims("free_benchmark").assign(of_free)


def with_features(draws: Draws, design: Design) -> Draws:
    """Add the design of the fitted LLMs to draws, if any of it is unknown."""
    return with_design(draws, design.x, design.unknowns, design.family_of_llm)


def with_design(
    draws: Draws, x: np.ndarray, unknowns: Unknowns, family_of_llm: np.ndarray
) -> Draws:
    """Add a design of the fitted LLMs to draws, for the configurations that their families have."""
    if not len(unknowns):
        return draws
    moved, seen = drawn_design(unknowns, x, family_of_llm, draws)
    return draws.with_values(x=moved, x_of_benchmarks=seen)


def add_groups(
    draws: Draws, members: Members, rng: np.random.Generator, recipe_tail: float | None = None
) -> Draws:
    """Draw the effects of new developers, families, recipes and LLMs from their populations.

    Parameters
    ----------
    draws : Draws
    members : Members
        Whose positions say how many new groups there are.
    rng : numpy.random.Generator
    recipe_tail : float, optional
        Degrees of freedom of recipes' effects on skills; default: they are Normal.

    Returns
    -------
    Draws
        With new groups behind the fitted ones; two LLMs of one new family share its draw, and two
        families of one new developer that of the developer. Where recipes have tails, also with the
        ``recipe_spread`` of the new ones, dims (draw, new recipe): given it, effects are Normal
        with so many times the scale.
    """
    grown: dict[str, np.ndarray] = {}
    root = root_of_correlation(draws)
    for effect, scale in EFFECTS.items():
        if effect not in draws:
            continue
        group, kind = effect.split("_")
        n_fitted = draws.n_fitted[group]
        n_new = max(int(getattr(members, group).max()) + 1 - n_fitted, 0)
        spread = draws[scale][:, None]
        if effect == "recipe_effect" and recipe_tail is not None:
            wider = np.sqrt(recipe_tail / rng.chisquare(recipe_tail, (len(draws), n_new)))
            grown["recipe_spread"], spread = wider, spread * wider[:, :, None]
        fresh = rng.standard_normal((len(draws), n_new, *spread.shape[2:]))
        if effect.endswith("_effect"):
            fresh = fresh @ root.swapaxes(1, 2)
        fresh *= spread
        if group == "family" and f"developer_{kind}" in grown:
            developers = members.developers_of(n_fitted, n_fitted + n_new)
            fresh += grown[f"developer_{kind}"][:, developers]
        grown[effect] = np.concatenate([draws[effect], fresh], axis=1)
    return draws.with_values(**grown)


def root_of_correlation(draws: Draws) -> np.ndarray:
    """Give the lower Cholesky factors of the correlation of effects, (draw, skill, skill)."""
    n = draws["family_scale"].shape[1]
    if "communality" not in draws:
        return np.broadcast_to(np.eye(n), (len(draws), n, n))
    return root_of(draws["communality"])


def root_of(communality: np.ndarray) -> np.ndarray:
    """Give the lower Cholesky factors of the correlation that it makes, (..., skill, skill)."""
    common, own = np.sqrt(communality), np.arange(communality.shape[-1])
    correlation = common[..., :, None] * common[..., None, :]
    correlation[..., own, own] = 1.0
    return np.linalg.cholesky(correlation)


def ability_of(draws: Draws, members: Members) -> np.ndarray:
    """Give abilities in logits of the anchors, dims (draw, llm, skill)."""
    ability: np.ndarray = (
        _features(draws, members, "x") @ draws["feature_slope"]
        + members.tuned[None, :, None] * draws["tuning_shift"][:, None]
        + draws["family_effect"][:, members.family]
        + draws["recipe_effect"][:, members.recipe]
        + draws["llm_effect"][:, members.llm]
    )
    if "family_slope" in draws:
        slopes = draws["family_slope"][:, members.family]
        # They see what is unknown at its mean.
        x = members.x[:, members.slope_columns]
        ability += np.einsum("nq,snqk->snk", x, slopes)
    return ability


def _features(draws: Draws, members: Members, drawn: str) -> np.ndarray:
    """Give features as they were drawn, or where all are known, dims ([draw,] llm, feature)."""
    found: np.ndarray = draws.values.get(drawn, members.x)
    return found


def eta_of(draws: Draws, members: Members) -> np.ndarray:
    """Give logits between floor and ceiling, dims (draw, llm, benchmark)."""
    eta: np.ndarray = draws["difficulty"][:, None] + np.einsum(
        "snk,sjk->snj", ability_of(draws, members), draws["loading"]
    )
    if "benchmark_slope" in draws:
        x = _features(draws, members, "x_of_benchmarks")
        eta += x @ draws["benchmark_slope"].swapaxes(1, 2)
        eta += members.tuned[None, :, None] * draws["benchmark_tuning"][:, None]
    if members.condition is not None and "condition_shift" in draws:
        eta += np.einsum("njc,sjc->snj", members.condition, draws["condition_shift"])
    if "family_deviation" in draws:
        eta += draws["family_deviation"][:, members.family]
        eta += draws["recipe_deviation"][:, members.recipe]
    return eta


def curve_of(draws: Draws, at: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Give floor, height above it, and asymmetry if any, indexed to stand beside logits."""
    floor, ceiling = draws["floor"][at], draws["ceiling"][at]
    return floor, ceiling - floor, draws["asymmetry"][at] if "asymmetry" in draws else None


def expected_of(draws: Draws, eta: np.ndarray, at: Any = np.s_[:, None]) -> np.ndarray:
    """Give expected scores, fractions, of logits.

    Their dims are (draw, llm, benchmark), or others beside which a variable with dims
    (draw, benchmark) stands when it is indexed ``at``.
    """
    floor, height, asymmetry = curve_of(draws, at)
    expected: np.ndarray = floor + height * rise(eta, asymmetry)
    return expected


def expected_of_cells(
    draws: Draws, members: Members, llm: np.ndarray, benchmark: np.ndarray
) -> np.ndarray:
    """Give expected scores of single cells, given by positions, dims (draw, cell)."""
    expected: np.ndarray = expected_of(draws, eta_of(draws, members))[:, llm, benchmark]
    return expected


def scatter_of(draws: Draws, benchmark: np.ndarray) -> dict[str, np.ndarray]:
    """Give the likelihood's parameters for cells on these benchmarks, dims (draw, cell)."""
    parameters: dict[str, np.ndarray] = {}
    if "precision" in draws:
        parameters["precision"] = draws["precision"][:, benchmark]
    if "tail" in draws:
        parameters["tail"] = draws["tail"][:, None]
    return parameters
