"""What features are associated with: on skills, and on the scores of each benchmark.

A slope says what a standard deviation of a feature adds to a skill. What that means for scores
depends on where LLMs stand, so effects on scores are average comparisons: one feature of every
fitted LLM is set to a value and then to another, all else of it is held, its effects and deviations
too, and the differences of its expected scores are averaged over LLMs (Gelman and Pardoe 2007,
Sociological Methodology 37).

These are associations between LLMs that exist. A feature that hardly varies within families is told
apart from what else families have in common by little but the prior: every answer names the share
of a feature's variation that lies between families.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from latentscale.caveats import caveat, features_of, share_between, share_of_columns, values_of
from latentscale.errors import PredictionError
from latentscale.estimates import Estimates, interval_probs, known_labels, summarise
from latentscale.forward import (
    Draws,
    Members,
    eta_of,
    expected_of,
    fitted_members,
    read_draws,
    with_design,
)
from latentscale.unknown import Unknowns, design_with
from latentscale.wording import first, quoted, with_nearest

if TYPE_CHECKING:
    from latentscale.design import Design
    from latentscale.fit import ScalingFit

# Memory for the draws of all LLMs' scores at once is kept to as many draws a core.
_DRAWS_AT_ONCE = 250
# From here on numbers are written without decimals, or three digits would not do.
_WHOLE = 1_000
_GRID_POINTS = 20
_TUNED = "tuned"
# Numbers are compared between these quantiles of theirs over the fitted LLMs.
_QUARTILES = (0.25, 0.75)


@dataclass(frozen=True, eq=False, repr=False)
class Associations(Estimates):
    """What features are associated with, and what cannot be told.

    ``summary`` has with each estimate ``p_direction``, the probability that it has the sign that it
    most likely has, and ``between``, the share of the feature's variation over LLMs that lies
    between families.

    Attributes
    ----------
    caveats : dict of str to str
        By feature, what these data cannot tell of it.
    """

    caveats: Mapping[str, str]

    def __repr__(self) -> str:
        """Show the first rows, and what cannot be told."""
        return "\n".join([super().__repr__(), *self.caveats.values()])


@dataclass(frozen=True, eq=False, repr=False)
class FeatureCurve(Associations):
    """Expected scores along a feature, averaged over the fitted LLMs.

    ``summary`` has a row for each ``benchmark`` and ``value``, without ``p_direction``. ``draws``
    holds ``expected``, dims (chain, draw, benchmark, value).

    Attributes
    ----------
    feature : str
    points : pandas.DataFrame
        ``llm``, ``family`` and ``value``: where the fitted LLMs are.
    logarithmic : bool
        Whether the formula takes the logarithm of the feature.
    """

    feature: str
    points: pd.DataFrame
    logarithmic: bool


def skill_effects(
    fit: ScalingFit, ci_prob: float | None = None, *, sensitivity: bool = False
) -> Associations:
    """Say what each design column, and tuning, adds to each skill.

    What a standard deviation over the fitted LLMs adds; of a step of a monotone term all of it, as
    of a bend of a smooth one. Where there are products, squares or slopes of tuned LLMs, a column's
    own row is its slope at the mean of the others, of LLMs that are not tuned:
    ``tuned:log(params_b)`` is how much steeper it is for those that are. ``tuned`` is what tuning
    adds to an LLM of mean size.

    Parameters
    ----------
    fit : ScalingFit
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.
    sensitivity : bool, default False
        Add ``prior_sensitivity`` and ``likelihood_sensitivity``, by how much an effect moves when
        priors, or the scores, count a little more or less, and ``diagnosis``, what that means
        (``az.psense_summary``; arXiv 2107.14054).

    Returns
    -------
    Associations
        ``summary``: ``skill``, ``feature`` (a column of the design, or ``tuned``), mean, sd and
        intervals in logits of the skill's anchor. ``draws``: ``effect``, dims (chain, draw,
        feature, skill).
    """
    design, effect = fit.model.design, _effects_on_skills(fit)
    probs = interval_probs(ci_prob)
    frame = summarise(effect, probs).merge(_direction(effect), on=["feature", "skill"])
    columns = np.column_stack([design.x, design.tuned])
    between = {
        name: share_of_columns(design, columns[:, [at]])
        for at, name in enumerate([*design.encoding.names, _TUNED])
    }
    frame["between"] = frame["feature"].map(between)
    frame.insert(0, "skill", frame.pop("skill"))
    if sensitivity:
        frame = frame.merge(_sensitivity(fit), on=["feature", "skill"], validate="one_to_one")
    ordered = frame.sort_values(
        "skill", kind="stable", key=_order_of(effect["skill"].values.tolist())
    )
    caveats = {name: caveat(design, name) for name in features_of(design)}
    return Associations(ordered.reset_index(drop=True), effect.to_dataset(), probs, caveats)


def _effects_on_skills(fit: ScalingFit) -> xr.DataArray:
    """Give the slopes, and below them what tuning adds where some LLMs are tuned."""
    slope = fit.posterior["feature_slope"].rename("effect")
    if _TUNED not in features_of(fit.model.design):
        return slope
    shift = fit.posterior["tuning_shift"].rename("effect").expand_dims(feature=[_TUNED])
    together: xr.DataArray = xr.concat([slope, shift], "feature")
    return together.transpose(*slope.dims)


def _sensitivity(fit: ScalingFit) -> pd.DataFrame:
    """Say how much effects on skills depend on priors and on scores."""
    import arviz as az

    extended, effect = fit.extend("log_prior", "log_likelihood"), _effects_on_skills(fit)
    names = ["feature_slope", *(["tuning_shift"] if _TUNED in effect["feature"] else [])]
    # One at a time: of several, ArviZ 1.3 labels elements in another order than it stacks them.
    found = pd.concat(
        az.psense_summary(extended.idata, var_names=[name], round_to=6) for name in names
    )
    places = pd.MultiIndex.from_product(
        [effect["feature"].values, effect["skill"].values], names=["feature", "skill"]
    )
    return found.set_index(places).rename(
        columns={"prior": "prior_sensitivity", "likelihood": "likelihood_sensitivity"}
    ).reset_index()  # fmt: skip


def score_effects(
    fit: ScalingFit,
    benchmarks: Sequence[str] | None = None,
    ci_prob: float | None = None,
) -> Associations:
    """Say by how much expected scores differ along each feature, all else held.

    Numbers and dates are compared between their quartiles over the fitted LLMs, categories with the
    commonest, and tuned LLMs with others; see :func:`contrast` for any other two values.

    Parameters
    ----------
    fit : ScalingFit
    benchmarks : sequence of str, optional
        Default: every fitted benchmark.
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Associations
        ``summary``: ``feature``, ``comparison``, ``benchmark``, mean, sd and intervals as
        fractions. ``draws``: ``difference``, dims (chain, draw, comparison, benchmark).
    """
    design = fit.model.design
    found = {
        column: _differences(fit, column, _usual_pairs(design, column))
        for column in features_of(design)
    }
    return _compared(fit, found, benchmarks, ci_prob)


def contrast(
    fit: ScalingFit,
    feature: str,
    value: Any,
    reference: Any,
    benchmarks: Sequence[str] | None = None,
    ci_prob: float | None = None,
) -> Associations:
    """Say by how much expected scores differ between two values of a feature, all else held.

    Parameters
    ----------
    fit : ScalingFit
    feature : str
        A column of the LLMs that the formula uses, or ``"tuned"``.
    value, reference : object
        Values that a fitted LLM could have; a category must be a fitted one.
    benchmarks : sequence of str, optional
        Default: every fitted benchmark.
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Associations
        As :func:`score_effects` gives it, with one comparison.

    Raises
    ------
    PredictionError, FeatureError
        The formula does not use the feature, or a category was never seen.
    """
    _require_feature(fit, feature)
    for asked, what in ((value, "value"), (reference, "reference")):
        _require_value(fit.model.design, feature, asked, what)
    found = {feature: _differences(fit, feature, [(reference, value)])}
    return _compared(fit, found, benchmarks, ci_prob)


def feature_curve(
    fit: ScalingFit,
    feature: str,
    benchmarks: Sequence[str] | None = None,
    ci_prob: float | None = None,
    *,
    grid: Sequence[float] | None = None,
) -> FeatureCurve:
    """Give expected scores along a feature that is a number, averaged over the fitted LLMs.

    Parameters
    ----------
    fit : ScalingFit
    feature : str
        A column of numbers that the formula uses.
    benchmarks : sequence of str, optional
        Default: every fitted benchmark.
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.
    grid : sequence of float, optional
        Default: over the range of the fitted LLMs, on a scale of logarithms if the formula takes
        them.

    Returns
    -------
    FeatureCurve

    Raises
    ------
    PredictionError
        The formula does not use the feature, it is no number, or a benchmark is not known.
    """
    _require_feature(fit, feature)
    design = fit.model.design
    values = values_of(design, feature)
    if not is_numeric_dtype(values) or is_bool_dtype(values) or feature == "tuned":
        raise PredictionError(
            f"{feature!r} is not a column of numbers, so there is no curve along it. Compare two "
            f"of its values: fit.contrast({feature!r}, ...)."
        )
    shown = _shown(design, benchmarks)
    if grid is not None:
        for each in grid:
            _require_value(design, feature, each, "grid")
    asked = _grid(design, feature) if grid is None else np.unique(np.asarray(grid, dtype=float))
    if asked.size == 0:
        raise PredictionError(f"grid={grid!r} has no value of {feature!r}. Name some, or none.")
    draws = _expected(fit, feature, asked.tolist()).assign_coords(value=asked)
    draws = draws.sel(benchmark=shown).transpose("chain", "draw", "benchmark", "value")
    draws = draws.rename("expected")
    probs = interval_probs(ci_prob)
    points = design.llms[["llm", "family"]].assign(value=values).dropna(subset=["value"])
    frame = summarise(draws, probs).assign(between=share_between(design, feature))
    caveats = {feature: caveat(design, feature)}
    logarithmic = design.encoding.takes_logarithm(feature)
    return FeatureCurve(frame, draws.to_dataset(), probs, caveats, feature, points, logarithmic)


def _compared(
    fit: ScalingFit,
    found: Mapping[str, xr.DataArray],
    benchmarks: Sequence[str] | None,
    ci_prob: float | None,
) -> Associations:
    """Summarise differences of each feature, dims (comparison, chain, draw, benchmark)."""
    design, probs = fit.model.design, interval_probs(ci_prob)
    draws = xr.concat(list(found.values()), "comparison").sel(benchmark=_shown(design, benchmarks))
    draws = draws.transpose("chain", "draw", "comparison", "benchmark").rename("difference")
    frame = summarise(draws, probs).merge(_direction(draws), on=["comparison", "benchmark"])
    feature_of = {
        name: feature for feature, part in found.items() for name in part["comparison"].values
    }
    frame.insert(0, "feature", frame["comparison"].map(feature_of))
    frame["between"] = frame["feature"].map({name: share_between(design, name) for name in found})
    caveats = {name: caveat(design, name) for name in found}
    return Associations(frame, draws.to_dataset(), probs, caveats)


def _differences(fit: ScalingFit, feature: str, pairs: Sequence[tuple[Any, Any]]) -> xr.DataArray:
    """Give by how much expected scores differ between pairs of values, dims (comparison, ...)."""
    values = list(dict.fromkeys(value for pair in pairs for value in pair))
    expected = _expected(fit, feature, values)
    low, high = ([values.index(pair[end]) for pair in pairs] for end in (0, 1))
    found = expected.isel(value=high) - expected.isel(value=low)
    names = [f"{feature}: {_text(low)} to {_text(high)}" for low, high in pairs]
    return found.rename(value="comparison").assign_coords(comparison=names)


def _expected(fit: ScalingFit, feature: str, values: Sequence[Any]) -> xr.DataArray:
    """Average expected scores over LLMs of which one feature is set to a value, and to others.

    Returns
    -------
    xarray.DataArray, dims (value, chain, draw, benchmark)
    """
    design, posterior = fit.model.design, fit.posterior
    draws = read_draws(posterior)
    asked = [_with_feature(fit, feature, value) for value in values]

    def of_part(start: int) -> list[np.ndarray]:
        part = draws.take(np.arange(start, min(start + _DRAWS_AT_ONCE, len(draws))))
        return [_mean_expected(part, design, *each) for each in asked]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        means = list(pool.map(of_part, range(0, len(draws), _DRAWS_AT_ONCE)))
    sizes = (posterior.sizes["chain"], posterior.sizes["draw"])
    return xr.DataArray(
        np.concatenate(means, axis=1).reshape(len(values), *sizes, len(design.benchmarks)),
        dims=("value", "chain", "draw", "benchmark"),
        coords={
            "chain": posterior["chain"].values,
            "draw": posterior["draw"].values,
            "benchmark": list(design.benchmarks),
        },
    )


def _mean_expected(
    draws: Draws, design: Design, members: Members, unknowns: Unknowns
) -> np.ndarray:
    """Average expected scores over LLMs, dims (draw, benchmark)."""
    draws = with_design(draws, members.x, unknowns, design.family_of_llm)
    mean: np.ndarray = expected_of(draws, eta_of(draws, members)).mean(axis=1)
    return mean


def _with_feature(fit: ScalingFit, feature: str, value: Any) -> tuple[Members, Unknowns]:
    """Give the fitted LLMs with one feature set, a column or what is derived from columns."""
    design = fit.model.design
    if feature not in design.encoding.derived:
        design.encoding.require_categories(design.llms.assign(**{feature: value}))
    members = fitted_members(design, fit.spec)
    if feature == "tuned":
        members = replace(members, tuned=np.full(len(members), float(value)))
    x, unknowns = design_with(design, {feature: value})
    return replace(members, x=x), unknowns


def _usual_pairs(design: Design, column: str) -> list[tuple[Any, Any]]:
    """Give the values to compare: quartiles, the ends, or every category with the commonest."""
    values = values_of(design, column)
    if column == "tuned":
        return [(0, 1)]
    if column in design.encoding.levels:
        commonest = values.mode().iloc[0]
        return [(commonest, level) for level in design.encoding.levels[column]
                if level != commonest]  # fmt: skip
    low, high = (values.quantile(q, interpolation="nearest") for q in _QUARTILES)
    return [(low, high) if low < high else (values.min(), values.max())]


def _grid(design: Design, feature: str) -> np.ndarray:
    values = values_of(design, feature).astype(float)
    low, high = values.min(), values.max()
    if low > 0 and design.encoding.takes_logarithm(feature):
        return np.clip(np.geomspace(low, high, _GRID_POINTS), low, high)
    return np.linspace(low, high, _GRID_POINTS)


def _require_value(design: Design, feature: str, value: Any, argument: str) -> None:
    """Check that a feature can have a value; of categories, formulas know which there are."""
    if feature in design.encoding.levels:
        return
    if feature in design.encoding.dates:
        fine = not pd.isna(pd.to_datetime(value, errors="coerce"))
        kind, such = "a date", '"2024-06-07"'
    elif feature == "tuned":
        fine, kind, such = value in (0, 1), "0 or 1", "1"
    else:
        fine = isinstance(value, int | float | np.number) and np.isfinite(value)
        kind, such = "a finite number", "10.0"
        if fine and value <= 0 and design.encoding.takes_logarithm(feature):
            fine, kind = False, "a number above zero, since the formula takes its logarithm"
    if not fine:
        raise PredictionError(
            f"{argument} has {value!r}, and {feature!r} must be {kind}. Use one such as {such}."
        )


def _require_feature(fit: ScalingFit, feature: str) -> None:
    known = features_of(fit.model.design)
    if feature not in known:
        raise PredictionError(
            f"The formula {fit.spec.features!r} does not use "
            f"{first(with_nearest([str(feature)], known))}, so the fit says nothing of it. It uses "
            f"{first(quoted(known), 20)}; fit again with a formula that has it."
        )


def _shown(design: Design, benchmarks: Sequence[str] | None) -> list[str]:
    if benchmarks is None:
        return list(design.benchmarks)
    asked = known_labels(benchmarks, design.benchmarks, "benchmarks", "benchmarks")
    return list(dict.fromkeys(asked))


def _direction(draws: xr.DataArray) -> pd.DataFrame:
    """Give the probability of the sign that each estimate most likely has."""
    above, below = ((draws > 0), (draws < 0))
    both = [part.mean(("chain", "draw")) for part in (above, below)]
    found = xr.ufuncs.maximum(*both).rename("p_direction")
    return found.to_dataframe()[["p_direction"]].reset_index()


def _order_of(labels: Sequence[Any]) -> Any:
    places = {label: place for place, label in enumerate(labels)}
    return lambda column: column.map(places)


def _text(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:,.0f}" if abs(number) >= _WHOLE else f"{number:.3g}"
    return str(value)
