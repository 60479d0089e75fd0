"""What the posterior says of families, LLMs, benchmarks and size: numbers and draws."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from latentscale.errors import ExtrapolationWarning, PredictionError
from latentscale.forward import Draws, Members, eta_of, expected_of, read_draws
from latentscale.wording import count, first, quoted, with_nearest

if TYPE_CHECKING:
    from latentscale.fit import ScalingFit

# A family's curve reaches this many times beyond its smallest and its largest LLM, as far as any
# fitted LLM does: near enough to be of use, far enough to show what a sibling would do.
_REACH = 4.0
_GRID_POINTS = 25


@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
    """An answer with its uncertainty.

    Attributes
    ----------
    summary : pandas.DataFrame
        The labels of each estimated quantity, its posterior ``mean`` and ``sd``, and two intervals,
        named as ArviZ does (``eti50_lb``, ``eti50_ub``, ``eti89_lb``, ``eti89_ub``).
    draws : xarray.Dataset
        The draws behind it, dims (chain, draw, ...).
    ci_probs : tuple of float
        The probabilities of the inner and the outer interval.
    """

    summary: pd.DataFrame
    draws: xr.Dataset
    ci_probs: tuple[float, float]

    def __repr__(self) -> str:
        """Show the first rows."""
        table = self.summary.head(12).to_string(index=False, float_format=lambda x: f"{x:.3f}")
        rest = len(self.summary) - 12
        return table + (f"\n... and {count(rest, 'more row')} in .summary" if rest > 0 else "")


@dataclass(frozen=True, eq=False, repr=False)
class ScalingCurve(Estimates):
    """What a family is expected to score as it grows.

    ``summary`` has one row for each ``benchmark``, ``params_b`` (1e9 parameters) and ``quantity``:
    ``expected``, the expected score of a typical LLM of the recipe, or ``score``, a new score of
    one new LLM. ``draws`` holds both, dims (chain, draw, benchmark, params_b).

    Attributes
    ----------
    family, recipe : str
        Whose curve it is; the recipe is the family's base recipe where it has one.
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


def interval_probs(ci_prob: float | None) -> tuple[float, float]:
    """Give the probabilities of the inner and the outer interval.

    Parameters
    ----------
    ci_prob : float or None
        Of the outer interval; None takes ``arviz.rcParams["stats.ci_prob"]``.

    Returns
    -------
    tuple of float
        The inner one is 0.5, or half of the outer one where that is not above 0.5, as in ArviZ.

    Examples
    --------
    >>> interval_probs(0.9), interval_probs(0.4)
    ((0.5, 0.9), (0.2, 0.4))
    """
    import arviz as az

    outer = az.rcParams["stats.ci_prob"] if ci_prob is None else ci_prob
    if not isinstance(outer, int | float) or not 0 < outer < 1:
        raise PredictionError(
            f"ci_prob={outer!r} is not a probability between 0 and 1. For a 90 % interval use "
            "ci_prob=0.9."
        )
    return (0.5, float(outer)) if outer > 0.5 else (outer / 2, float(outer))


def summarise(draws: xr.DataArray, ci_probs: Sequence[float], kind: str | None = None) -> Any:
    """Reduce draws to a frame: one column a dim, then mean, sd and the intervals.

    Parameters
    ----------
    draws : xarray.DataArray, dims (chain, draw, ...)
    ci_probs : sequence of float
    kind : {"eti", "hdi"}, optional
        Equal-tailed or highest-density intervals; default: ``arviz.rcParams["stats.ci_kind"]``.

    Returns
    -------
    pandas.DataFrame
    """
    import arviz as az

    kind = kind or str(az.rcParams["stats.ci_kind"])
    interval = az.hdi if kind == "hdi" else az.eti
    columns = {"mean": draws.mean(("chain", "draw")), "sd": draws.std(("chain", "draw"))}
    for prob in ci_probs:
        bounds = interval(draws, prob=prob, dim=["chain", "draw"])
        name = f"{kind}{100 * prob:g}"
        columns[f"{name}_lb"] = bounds.sel(ci_bound="lower", drop=True)
        columns[f"{name}_ub"] = bounds.sel(ci_bound="upper", drop=True)
    dims = [dim for dim in draws.dims if dim not in ("chain", "draw")]
    frame = xr.Dataset(columns).to_dataframe(dim_order=dims).reset_index()
    return frame[[*dims, *columns]]


def family_effects(fit: ScalingFit, ci_prob: float | None = None) -> Estimates:
    """Say what each family is good at beyond what its features and tuning explain.

    Parameters
    ----------
    fit : ScalingFit
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Estimates
        ``summary``: ``skill``, ``family``, ``n_llms``, then mean, sd and intervals in logits of
        the skill's anchor, and ``p_positive``, the probability that the effect is above zero;
        best families of each skill first. ``draws``: ``family_effect``.
    """
    effect = fit.posterior["family_effect"]
    probs = interval_probs(ci_prob)
    positive = (effect > 0).mean(("chain", "draw")).to_series().rename("p_positive").reset_index()
    frame = summarise(effect, probs).merge(positive, on=["family", "skill"])
    members = fit.model.design.llms["family"].value_counts()
    frame.insert(1, "n_llms", frame["family"].map(members).astype(int))
    frame.insert(0, "skill", frame.pop("skill"))
    ordered = _in_order(frame, "skill", effect["skill"].values, "mean")
    return Estimates(ordered, effect.to_dataset(), probs)


def ability_ranking(
    fit: ScalingFit,
    skill: str | None = None,
    llms: Sequence[str] | None = None,
    ci_prob: float | None = None,
) -> Estimates:
    """Rank LLMs by their ability in one skill.

    Parameters
    ----------
    fit : ScalingFit
    skill : str, optional
        Its name or its anchor's; default: the first skill.
    llms : sequence of str, optional
        Show these only; ranks stay those among all fitted LLMs.
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Estimates
        ``summary``, best first: ``rank`` (by posterior mean), ``rank_lb`` and ``rank_ub`` (the
        outer equal-tailed interval of the rank), ``llm``, ``family``, ``recipe``, ``tuned``,
        ``skill``, then mean, sd and intervals of the ability in logits of the skill's
        anchor. ``draws``: ``ability``, dims (chain, draw, llm).

    Raises
    ------
    PredictionError
        The skill or an LLM is not known.
    """
    names = fit.posterior["skill"].values.tolist()
    chosen = skill_names_of(fit, None if skill is None else [skill])[0] if skill else names[0]
    ability = fit.posterior["ability"].sel(skill=chosen, drop=True)
    probs = interval_probs(ci_prob)
    frame = summarise(ability, probs)
    frame.insert(0, "rank", frame["mean"].rank(ascending=False, method="first").astype(int))
    frame.insert(1, "rank_lb", _rank_bound(ability, (1 - probs[1]) / 2))
    frame.insert(2, "rank_ub", _rank_bound(ability, (1 + probs[1]) / 2))
    known = fit.model.design.llms.set_index("llm")
    for place, column in enumerate(("family", "recipe", "tuned"), start=4):
        frame.insert(place, column, frame["llm"].map(known[column]))
    frame.insert(7, "skill", chosen)
    if llms is not None:
        shown = _known_labels(llms, frame["llm"].tolist(), "llms", "LLMs")
        frame, ability = frame[frame["llm"].isin(shown)], ability.sel(llm=shown)
    ordered = frame.sort_values("rank", kind="stable").reset_index(drop=True)
    return Estimates(ordered, ability.to_dataset(), probs)


def _rank_bound(ability: xr.DataArray, prob: float) -> np.ndarray:
    """Give a quantile, by LLM, of its rank among all in each draw; 1 is the best."""
    flat = ability.stack(sample=("chain", "draw")).transpose("sample", "llm").to_numpy()
    ranks = np.argsort(np.argsort(-flat, axis=1), axis=1) + 1
    bound: np.ndarray = np.quantile(ranks, prob, axis=0, method="nearest").astype(int)
    return bound


def loadings(fit: ScalingFit, ci_prob: float | None = None) -> Estimates:
    """Say how strongly each benchmark measures each skill.

    Parameters
    ----------
    fit : ScalingFit
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Estimates
        ``summary``: ``skill``, ``benchmark``, ``role`` (``anchor`` of this skill, ``fixed`` at zero
        because the benchmark anchors another skill, or ``free``), then mean, sd and intervals in
        logits per logit of the anchor. Benchmarks are grouped by the skill that they
        measure most. ``draws``: ``loading``.
    """
    loading = fit.posterior["loading"]
    probs = interval_probs(ci_prob)
    frame = summarise(loading, probs)
    skills = loading["skill"].values.tolist()
    anchor_of = dict(zip(fit.spec.anchors, skills, strict=True))
    home = frame["benchmark"].map(anchor_of)
    role = np.where(home.isna(), "free", np.where(home == frame["skill"], "anchor", "fixed"))
    frame.insert(2, "role", role)
    order = benchmark_order(frame, skills)
    frame = frame.set_index("benchmark").loc[order].reset_index()
    frame.insert(0, "skill", frame.pop("skill"))
    ordered = frame.set_index("skill").loc[skills].reset_index()
    return Estimates(ordered, loading.to_dataset(), probs)


def benchmark_order(frame: pd.DataFrame, skills: Sequence[str]) -> list[str]:
    """Group benchmarks by the skill they load on most, the anchor first, then by loading."""
    table = frame.pivot(index="benchmark", columns="skill", values="mean")[list(skills)]
    anchors = frame.loc[frame["role"] == "anchor", "benchmark"].tolist()
    keys = pd.DataFrame(
        {
            "home": table.to_numpy().argmax(axis=1),
            "place": [name not in anchors for name in table.index],
            "size": -table.max(axis=1),
        }
    )
    return [str(name) for name in keys.sort_values(["home", "place", "size"]).index]


def scaling_curve(
    fit: ScalingFit,
    family: str,
    benchmarks: Sequence[str] | None = None,
    grid: Sequence[float] | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    ci_prob: float | None = None,
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
    grid : sequence of float, optional
        Sizes in 1e9 parameters. Default: from a quarter of the family's smallest LLM to four times
        its largest, within the range of all fitted LLMs.
    at : mapping, optional
        Features to hold at other values than the family's own, such as ``{"tokens_t": 15.0}``
        (1e12 tokens). The family's own are medians, or the commonest category, over the LLMs of
        its base recipe.
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.
    random_seed : int, default 1
        The same seed gives the same draws.

    Returns
    -------
    ScalingCurve

    Raises
    ------
    PredictionError
        The family or a benchmark is not known, the formula does not use ``params_b``, or the grid
        is unusable.

    Warns
    -----
    ExtrapolationWarning
        A grid or a value given by the user lies outside the range of the fitted LLMs.
    """
    probs = interval_probs(ci_prob)
    design = fit.model.design
    _known_labels([family], design.families, "family", "families")
    shown = list(design.benchmarks)
    if benchmarks is not None:
        shown = _known_labels(benchmarks, design.benchmarks, "benchmarks", "benchmarks")
    _require_size(fit)
    own = design.llms[design.llms["family"] == family]
    recipe = _base_recipe(own)
    fixed = _typical(own[own["recipe"] == recipe], design.encoding.columns) | dict(at or {})
    asked = _along(fit, family, recipe, fixed, _sizes(fit, own, grid))
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


def skill_names_of(fit: ScalingFit, skills: Sequence[str] | None) -> list[str]:
    """Find skills by name or by their anchors' names; None gives all.

    Raises
    ------
    PredictionError
        A skill is not known.
    """
    names = [str(name) for name in fit.posterior["skill"].values]
    return resolve_skills(names, fit.spec.anchors, skills)


def resolve_skills(
    names: Sequence[str], anchors: Sequence[str], skills: Sequence[str] | None
) -> list[str]:
    """Find skills among names such as ``skill 1 (MMLU)``, by the whole name or the anchor's.

    Examples
    --------
    >>> resolve_skills(["skill 1 (MMLU)", "skill 2 (GSM8K)"], ["MMLU", "GSM8K"], ["GSM8K"])
    ['skill 2 (GSM8K)']
    """
    if skills is None:
        return list(names)
    by_anchor = dict(zip(anchors, names, strict=True))
    asked = [skills] if isinstance(skills, str) else list(skills)
    return _known_labels([by_anchor.get(s, s) for s in asked], names, "skills", "skills")


def _known_labels(
    asked: Sequence[str], known: Sequence[str], argument: str, noun: str
) -> list[str]:
    labels = [asked] if isinstance(asked, str) else [str(label) for label in asked]
    unknown = [label for label in labels if label not in known]
    if unknown or not labels:
        named = first(with_nearest(unknown, known)) or "nothing"
        raise PredictionError(
            f"{argument} names {named}, which the fit does not have. Its {noun} are "
            f"{first(quoted(known), 20)}."
        )
    return labels


def _in_order(frame: pd.DataFrame, group: str, order: Any, by: str) -> pd.DataFrame:
    """Sort rows by group, in the given order, and descending by a column within it."""
    place = frame[group].map({label: i for i, label in enumerate(order)})
    keys = pd.DataFrame({"place": place, "size": -frame[by]})
    return frame.loc[keys.sort_values(["place", "size"]).index].reset_index(drop=True)


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


def _typical(llms: pd.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    others = [name for name in columns if name != "params_b"]
    return {name: _middle(llms[name]) for name in ("tuned", *others)}


def _middle(column: pd.Series) -> Any:
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return float(column.median())
    return column.mode().iloc[0]


def _sizes(fit: ScalingFit, own: pd.DataFrame, grid: Sequence[float] | None) -> np.ndarray:
    if grid is None:
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


def _along(
    fit: ScalingFit, family: str, recipe: str, fixed: Mapping[str, Any], sizes: np.ndarray
) -> pd.DataFrame:
    """Make up LLMs of one recipe that differ in size only."""
    names = [f"{recipe} at {size:.4g}e9 parameters" for size in sizes]
    frame = pd.DataFrame({"llm": names, "family": family, "recipe": recipe, "params_b": sizes})
    unknown = [name for name in fixed if name not in ("tuned", *fit.model.design.encoding.columns)]
    if unknown:
        columns = fit.model.design.encoding.columns
        raise PredictionError(
            f"at= names {first(with_nearest(unknown, columns))}, which the formula "
            f"{fit.spec.features!r} does not use. It uses {first(quoted(columns), 20)}."
        )
    return frame.assign(**dict(fixed)).astype({"tuned": int})


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
        "expected": _expected_of_typical(fit, asked, shown).reshape(shape),
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


def _expected_of_typical(fit: ScalingFit, asked: pd.DataFrame, shown: list[str]) -> np.ndarray:
    """Expect the scores of LLMs that have no effect of their own, dims (draw, llm, benchmark)."""
    design = fit.model.design
    draws = _with_typical_llm(read_draws(fit.posterior))
    row = design.llms.index[design.llms["recipe"] == asked["recipe"].iloc[0]][0]
    x = design.encoding.encode(asked).to_numpy()
    slopes = [design.encoding.names.index(name) for name in fit.spec.family_slopes]
    members = Members(
        x=x,
        x_slope=x[:, slopes],
        tuned=asked["tuned"].to_numpy(dtype=float),
        family=np.repeat(design.family_of_llm[row], len(asked)),
        recipe=np.repeat(design.recipe_of_llm[row], len(asked)),
        llm=np.repeat(len(design.llms), len(asked)),
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
