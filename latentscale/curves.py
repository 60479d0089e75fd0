"""What a family is expected to score as it grows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from latentscale.derived import ACTIVE, EXPERTS, of_experts
from latentscale.design import slope_columns
from latentscale.errors import ExtrapolationWarning, PredictionError
from latentscale.estimates import Estimates, interval_probs, known_labels, summarise
from latentscale.forward import Draws, Members, eta_of, expected_of, read_draws
from latentscale.unknown import asked_features
from latentscale.wording import first, quoted, with_nearest

if TYPE_CHECKING:
    from latentscale.fit import ScalingFit

# A family's curve reaches this many times beyond its smallest and its largest LLM, as far as any
# fitted LLM does: near enough to be of use, far enough to show what a sibling would do.
_REACH = 4.0
_GRID_POINTS = 25


@dataclass(frozen=True, eq=False, repr=False)
class ScalingCurve(Estimates):
    """What a family is expected to score as it grows.

    ``summary`` has one row for each ``benchmark``, ``params_b`` (1e9 parameters) and ``quantity``:
    ``expected``, the expected score of a typical LLM of the recipe, or ``score``, a new score of
    one new LLM. ``draws`` holds both, dims (chain, draw, benchmark, params_b).

    Attributes
    ----------
    family, recipe : str
        Whose curve it is; by default the recipe is the family's base recipe where it has one.
    at : dict
        The other features, held fixed along the curve.
    points : pandas.DataFrame
        The family's observed scores: ``llm``, ``benchmark``, ``params_b``, ``score``, ``tuned``.
    levels : pandas.DataFrame
        By ``benchmark``: ``chance``, and the posterior mean of the ``floor`` and the ``ceiling``.
    """

    family: str
    recipe: str
    at: dict[str, Any]
    points: pd.DataFrame
    levels: pd.DataFrame


def scaling_curve(
    fit: ScalingFit,
    family: str,
    benchmarks: Sequence[str] | None = None,
    ci_prob: float | None = None,
    *,
    grid: Sequence[float] | None = None,
    at: Mapping[str, Any] | None = None,
    recipe: str | None = None,
    random_seed: int | None = 1,
) -> ScalingCurve:
    """Predict what a family would score at other sizes, all else as its own LLMs have it.

    Parameters
    ----------
    fit : ScalingFit
    family : str
        A fitted family.
    benchmarks : sequence of str, optional
        Default: every fitted benchmark.
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.
    grid : sequence of float, optional
        Sizes in 1e9 parameters. Default: from a quarter of the family's smallest LLM to four times
        its largest, within the range of all fitted LLMs.
    at : mapping, optional
        Features to hold at other values than the family's own, such as ``{"tokens_t": 15.0}``
        (1e12 tokens). The family's own are medians, or the commonest category, over the LLMs of
        the recipe; what is unknown of all of them is drawn. Of a mixture of experts the same
        share of parameters is active at every size.
    recipe : str, optional
        A fitted recipe of the family. Default: that of most of its base LLMs.
    random_seed : int, default 1
        The same seed gives the same draws.

    Returns
    -------
    ScalingCurve

    Raises
    ------
    PredictionError
        The family, its recipe or a benchmark is not known, the formula does not use ``params_b``,
        the grid is unusable, or there is none and the family's sizes are unknown.

    Warns
    -----
    ExtrapolationWarning
        A grid or a value given by the user lies outside the range of the fitted LLMs.
    """
    probs = interval_probs(ci_prob)
    design = fit.model.design
    known_labels([family], design.families, "family", "families")
    shown = list(design.benchmarks)
    if benchmarks is not None:
        shown = known_labels(benchmarks, design.benchmarks, "benchmarks", "benchmarks")
    _require_size(fit)
    own = design.llms[design.llms["family"] == family]
    recipe = _base_recipe(own) if recipe is None else _recipe_of(own, recipe)
    alike = own[own["recipe"] == recipe]
    held = dict(at or {})
    _require_used(fit, held)
    fixed = _typical(alike, _asked_for(fit)) | held
    asked = _along(alike, fixed, _sizes(fit, own, grid))
    draws = _curve_draws(fit, asked, shown, grid is None and at is None, random_seed)
    return ScalingCurve(
        summary=_curve_summary(draws, probs),
        draws=draws,
        ci_probs=probs,
        family=family,
        recipe=recipe,
        at=fixed,
        points=_points(fit, own, shown),
        levels=_levels(fit, shown),
    )


def _require_size(fit: ScalingFit) -> None:
    if "params_b" not in fit.model.design.encoding.columns:
        raise PredictionError(
            f"The formula {fit.spec.features!r} does not use 'params_b', so this fit says nothing "
            'of size. Fit again with features="log(params_b) * log(tokens_t)".'
        )


def _base_recipe(own: pd.DataFrame) -> str:
    """Choose the recipe that most of the family's base LLMs have, else most of its LLMs."""
    base = own[own["tuned"] == 0]
    return str((base if len(base) else own)["recipe"].value_counts().index[0])


def _recipe_of(own: pd.DataFrame, recipe: str) -> str:
    names = own["recipe"].unique().tolist()
    [name] = known_labels(recipe, names, "recipe", f"recipes of {own['family'].iloc[0]!r}")
    return name


def _typical(llms: pd.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    others = [name for name in columns if name != ACTIVE]
    whole = llms.assign(**{EXPERTS: llms[EXPERTS].fillna(1)}) if EXPERTS in llms else llms
    return {name: _middle(whole[name]) for name in ("tuned", *others)}


def _middle(column: pd.Series) -> Any:
    """Give the median, also of dates, or the commonest category; None where all are unknown."""
    if column.isna().all():
        return None
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return float(column.median())
    return column.median() if is_datetime64_any_dtype(column) else column.mode().iloc[0]


def _sizes(fit: ScalingFit, own: pd.DataFrame, grid: Sequence[float] | None) -> np.ndarray:
    if grid is None:
        if own["params_b"].isna().all():
            raise PredictionError(
                f"No LLM of {own['family'].iloc[0]!r} has a known size, so that no default grid "
                "lies about them. Give grid=, sizes in 1e9 parameters such as [1, 3, 10, 30]."
            )
        fitted, sizes = fit.model.design.llms["params_b"], own["params_b"]
        low = max(sizes.min() / _REACH, fitted.min())
        high = min(sizes.max() * _REACH, fitted.max())
        spaced: np.ndarray = np.geomspace(low, high, _GRID_POINTS)
        return np.clip(spaced, low, high)  # rounding must not leave the range
    given = np.unique(np.asarray(grid, dtype=float))
    if given.size == 0 or not np.all(np.isfinite(given) & (given > 0)):
        raise PredictionError(
            f"grid={list(grid)!r} must hold sizes above zero, in 1e9 parameters, such as "
            "grid=[1, 3, 10, 30, 100]."
        )
    return given


def _along(base: pd.DataFrame, fixed: Mapping[str, Any], sizes: np.ndarray) -> pd.DataFrame:
    """Make up LLMs of one recipe that differ in size only."""
    recipe = base["recipe"].iloc[0]
    frame = pd.DataFrame(
        {
            "llm": [f"{recipe} at {size:.4g}e9 parameters" for size in sizes],
            "family": base["family"].iloc[0],
            "recipe": recipe,
            "params_b": sizes,
        }
    )
    if ACTIVE in base:  # where it is unknown, an LLM is dense
        frame[ACTIVE] = sizes * (base[ACTIVE] / base["params_b"]).fillna(1).median()
    return frame.assign(**dict(fixed)).astype({"tuned": int})


def _asked_for(fit: ScalingFit) -> list[str]:
    """Name the columns that the formula looks at, but for the size."""
    encoding, llms = fit.model.design.encoding, fit.model.design.llms
    experts = [name for name in of_experts(encoding.derived) if name in llms]
    return [name for name in dict.fromkeys([*encoding.columns, *experts]) if name != "params_b"]


def _require_used(fit: ScalingFit, at: Mapping[str, Any]) -> None:
    if "params_b" in at:
        raise PredictionError(
            "at= holds 'params_b', and a curve goes along sizes. Give them as grid=, in 1e9 "
            "parameters, such as grid=[1, 3, 10, 30]."
        )
    used = _asked_for(fit)
    if "tuned" in at:
        raise PredictionError(
            "at= holds 'tuned', which goes with the recipe. Ask for a tuned recipe of the family: "
            "recipe=."
        )
    unknown = [name for name in at if name not in used]
    if unknown:
        raise PredictionError(
            f"at= names {first(with_nearest(unknown, used))}, which the formula "
            f"{fit.spec.features!r} does not use. It uses {first(quoted(used), 20)}."
        )


def _curve_draws(
    fit: ScalingFit, asked: pd.DataFrame, shown: list[str], quiet: bool, random_seed: int | None
) -> xr.Dataset:
    """Draw the expected score of a typical LLM and a new score of a new one, at each size."""
    with warnings.catch_warnings():
        if quiet:  # the default grid keeps to the fitted sizes; what is left is rounding
            warnings.simplefilter("ignore", ExtrapolationWarning)
        prediction = fit.predict(asked, random_seed=random_seed, benchmarks=shown)
    posterior = fit.posterior
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], len(asked), len(shown))
    dims = ("chain", "draw", "params_b", "benchmark")
    arrays = {
        "expected": _expected_of_typical(fit, asked, shown, random_seed).reshape(shape),
        "score": prediction.draws["score"].transpose("chain", "draw", "obs").to_numpy(),
    }
    coords = {
        "chain": posterior["chain"].values,
        "draw": posterior["draw"].values,
        "params_b": asked["params_b"].to_numpy(),
        "benchmark": shown,
    }
    variables = {name: (dims, values.reshape(shape)) for name, values in arrays.items()}
    return xr.Dataset(variables, coords=coords).transpose("chain", "draw", "benchmark", "params_b")


def _expected_of_typical(
    fit: ScalingFit, asked: pd.DataFrame, shown: list[str], random_seed: int | None
) -> np.ndarray:
    """Expect the scores of LLMs that have no effect of their own, dims (draw, llm, benchmark)."""
    design = fit.model.design
    rng = np.random.default_rng(random_seed)
    x, draws = asked_features(design, asked, read_draws(fit.posterior), rng)
    draws = _with_typical_llm(draws)
    row = design.llms.index[design.llms["recipe"] == asked["recipe"].iloc[0]][0]
    members = Members(
        x=x,
        slope_columns=slope_columns(design.encoding, fit.spec.family_slopes),
        tuned=asked["tuned"].to_numpy(dtype=float),
        developer=np.repeat(design.developer_of_family[design.family_of_llm[row]], len(asked)),
        family=np.repeat(design.family_of_llm[row], len(asked)),
        recipe=np.repeat(design.recipe_of_llm[row], len(asked)),
        llm=np.repeat(len(design.llms), len(asked)),
        condition=design.usual_condition(asked["tuned"].to_numpy()),
    )
    places = [design.benchmarks.index(name) for name in shown]
    expected: np.ndarray = expected_of(draws, eta_of(draws, members))[:, :, places]
    return expected


def _with_typical_llm(draws: Draws) -> Draws:
    effect = draws["llm_effect"]
    return draws.with_values(llm_effect=np.concatenate([effect, np.zeros_like(effect[:, :1])], 1))


def _curve_summary(draws: xr.Dataset, probs: tuple[float, float]) -> pd.DataFrame:
    frames = [summarise(draws[name], probs).assign(quantity=name) for name in ("expected", "score")]
    frame = pd.concat(frames, ignore_index=True)
    frame.insert(2, "quantity", frame.pop("quantity"))
    return frame


def _points(fit: ScalingFit, own: pd.DataFrame, shown: list[str]) -> pd.DataFrame:
    scores = fit.model.design.scores[["llm", "benchmark", "score"]]
    points = scores.merge(own[["llm", "params_b", "tuned"]], on="llm")
    points = points[points["benchmark"].isin(shown)].reset_index(drop=True)
    return points[["llm", "benchmark", "params_b", "score", "tuned"]]


def _levels(fit: ScalingFit, shown: list[str]) -> pd.DataFrame:
    means = fit.posterior[["floor", "ceiling"]].mean(("chain", "draw")).to_dataframe()
    chance = pd.Series(fit.model.design.chance, index=list(fit.model.design.benchmarks))
    means.insert(0, "chance", chance)
    return means.loc[shown, ["chance", "floor", "ceiling"]].rename_axis("benchmark")
