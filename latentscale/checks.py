"""How well predictions and observed scores agree: the numbers behind the predictive checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.errors import PredictionError
from latentscale.estimates import interval_probs, summarise, tails
from latentscale.wording import first, quoted

if TYPE_CHECKING:
    from latentscale.design import Design
    from latentscale.fit import ScalingFit
    from latentscale.prediction import Prediction

_GRID_POINTS = 80
# Coverage this near its probability is right for all practical purposes.
_SLACK = 0.05
# Distributions of replicates are read off this many draws: a band is smooth long before that.
_MOST_DRAWS = 500


@dataclass(frozen=True, eq=False, repr=False)
class PredictiveCheck:
    """Observed scores beside replicates of them.

    Attributes
    ----------
    summary : pandas.DataFrame
        As :meth:`latentscale.ScalingFit.coverage` gives it: by benchmark ``n``, ``coverage``,
        ``width`` and ``mae``; and whether the coverage is ``off``, further from ``ci_prob`` than
        twice its sampling error, scores of one developer (or family) taken together, and than 5
        points.
    draws : xarray.Dataset
        The share of LLMs that score at or below the score ``grid``, dims (benchmark, at):
        ``observed``; ``replicates``, dims (sample, benchmark, at); and of these the intervals
        ``inner`` and ``outer``, dims (benchmark, at, bound).
    ci_prob : float
        The probability of the intervals whose coverage is counted.
    level : str
        The highest level whose effects were drawn anew.
    """

    summary: pd.DataFrame
    draws: xr.Dataset
    ci_prob: float
    level: str

    def __repr__(self) -> str:
        """Show the coverage by benchmark."""
        table = self.summary.to_string(float_format=lambda x: f"{x:.3f}")
        return f"Coverage of {100 * self.ci_prob:g} % intervals, level={self.level!r}\n{table}"


@dataclass(frozen=True, eq=False, repr=False)
class Agreement:
    """How predicted and observed scores agree, cell by cell.

    Attributes
    ----------
    summary : pandas.DataFrame
        One row a cell: ``llm``, ``benchmark``, ``mean``, ``sd`` and two intervals of the predicted
        score, ``observed``, and whether it is ``inside`` the outer one.
    draws : xarray.Dataset
        ``score``, dims (chain, draw, obs) or (sample, obs), for the same cells.
    ci_prob : float
        The probability of the outer interval; the inner one holds 50 %.
    benchmarks : tuple of str
        In the order of the fit.
    """

    summary: pd.DataFrame
    draws: xr.Dataset
    ci_prob: float
    benchmarks: tuple[str, ...]

    def __repr__(self) -> str:
        """Say how many lie inside, and by how much the means miss."""
        frame = self.summary
        error = (frame["mean"] - frame["observed"]).abs().mean()
        return (
            f"{len(frame):,} observed scores: {frame['inside'].mean():.0%} inside their "
            f"{100 * self.ci_prob:g} % interval, mean absolute error {error:.3f}"
        )


def predictive_check(
    fit: ScalingFit, level: str | None = None, ci_prob: float = 0.9, random_seed: int | None = 1
) -> PredictiveCheck:
    """Check by benchmark whether the model would produce scores like the observed ones.

    Parameters
    ----------
    fit : ScalingFit
    level : {"score", "llm", "recipe", "family", "developer"}, optional
        The highest level whose effects are drawn anew; default: the highest there is.
    ci_prob : float, default 0.9
        Of the intervals whose coverage is counted.
    random_seed : int, default 1

    Returns
    -------
    PredictiveCheck
    """
    probs = interval_probs(ci_prob)
    replicates = fit.posterior_predictive(level, random_seed)["posterior_predictive"]["score"]
    flat = replicates.stack(sample=("chain", "draw")).transpose("sample", "obs").to_numpy()
    cells = _covered_cells(fit.model.design, flat, ci_prob)
    flat = flat[:: max(1, len(flat) // _MOST_DRAWS)]
    observed, place = fit.model.design.score, fit.model.design.benchmark_of_obs
    names = list(fit.model.design.benchmarks)
    parts = [_cumulative(observed[place == j], flat[:, place == j]) for j in range(len(names))]
    grid, seen, made = (np.stack(arrays) for arrays in zip(*parts, strict=True))
    draws = xr.Dataset(
        {
            "grid": (("benchmark", "at"), grid),
            "observed": (("benchmark", "at"), seen),
            "replicates": (("sample", "benchmark", "at"), made.transpose(1, 0, 2)),
        },
        coords={"benchmark": names},
    )
    draws = draws.assign({"inner": _band(draws, probs[0]), "outer": _band(draws, probs[1])})
    summary = _with_verdict(_by_benchmark(fit.model.design, cells), cells, ci_prob)
    return PredictiveCheck(summary, draws, ci_prob, level or fit.spec.levels[-1])


def coverage_by_benchmark(design: Design, replicates: np.ndarray, ci_prob: float) -> pd.DataFrame:
    """Count, by benchmark, the observed scores inside their predictive interval.

    Parameters
    ----------
    design : Design
    replicates : numpy.ndarray, dims (sample, obs)
    ci_prob : float

    Returns
    -------
    pandas.DataFrame
        As :meth:`latentscale.ScalingFit.coverage` gives it.
    """
    return _by_benchmark(design, _covered_cells(design, replicates, ci_prob))


def _covered_cells(design: Design, replicates: np.ndarray, ci_prob: float) -> pd.DataFrame:
    """Say of each observed score whether its interval holds it, and whose it is."""
    lower, upper = np.quantile(replicates, tails(ci_prob), axis=0)
    return pd.DataFrame(
        {
            "benchmark": design.scores["benchmark"].to_numpy(dtype=str),
            # Scores of one owner are likely off together.
            "owner": design.owner_of_llm.to_numpy()[design.llm_of_obs],
            "coverage": (lower <= design.score) & (design.score <= upper),
            "width": upper - lower,
            "mae": np.abs(replicates.mean(axis=0) - design.score),
        }
    )


def _by_benchmark(design: Design, cells: pd.DataFrame) -> pd.DataFrame:
    grouped = cells.groupby("benchmark", sort=False)
    means = grouped[["coverage", "width", "mae"]].mean()
    means.insert(0, "n", grouped.size())
    return means.reindex(list(design.benchmarks))


def agreement(
    predicted: ScalingFit | Prediction,
    observed: pd.DataFrame | None = None,
    *,
    level: str | None = None,
    ci_prob: float = 0.9,
    random_seed: int | None = 1,
) -> Agreement:
    """Put predicted scores beside observed ones.

    Parameters
    ----------
    predicted : ScalingFit or Prediction
        A fit is compared with the very scores that it was fitted to.
    observed : pandas.DataFrame, optional
        Columns ``llm``, ``benchmark``, ``score``; needed for a prediction. Cells that only one side
        has are left out, and so are scores that the prediction was given.
    level : {"score", "llm", "recipe", "family", "developer"}, optional
        For a fit: the highest level whose effects are drawn anew; default: the highest there is.
    ci_prob : float, default 0.9
        For a fit; a prediction has its own.
    random_seed : int, default 1
        For a fit.

    Returns
    -------
    Agreement

    Raises
    ------
    PredictionError
        There is nothing to compare.
    """
    from latentscale.fit import ScalingFit

    if isinstance(predicted, ScalingFit):
        _require_no_observed(observed)
        return _compare_fit(predicted, level, ci_prob, random_seed)
    return _compare_prediction(predicted, observed)


def _cumulative(
    observed: np.ndarray, replicates: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of scores at or below each of a grid of scores: observed, and in each replicate."""
    low, high = np.quantile(replicates, [0.005, 0.995])
    grid = np.linspace(min(low, observed.min()), max(high, observed.max()), _GRID_POINTS)
    shares = [np.searchsorted(row, grid, side="right") for row in np.sort(replicates, axis=1)]
    seen = np.searchsorted(np.sort(observed), grid, side="right")
    return grid, seen / len(observed), np.stack(shares) / len(observed)


def _band(draws: xr.Dataset, prob: float) -> xr.DataArray:
    bounds = draws["replicates"].quantile(tails(prob), dim="sample").rename(quantile="bound")
    return bounds.drop_vars("bound").transpose("benchmark", "at", "bound")


def _with_verdict(summary: pd.DataFrame, cells: pd.DataFrame, ci_prob: float) -> pd.DataFrame:
    """Say where coverage is off by more than chance; scores of one owner count as one another's.

    The error of a share over clusters, Cameron and Miller (2015), about the share there should be.
    """
    gap = (cells["coverage"] - ci_prob).groupby([cells["benchmark"], cells["owner"]]).sum()
    by_benchmark = (gap**2).groupby("benchmark", sort=False)
    owners = by_benchmark.size()
    error = np.sqrt(by_benchmark.sum() * owners / (owners - 1).clip(lower=1)) / summary["n"]
    distance = (summary["coverage"] - ci_prob).abs()
    return summary.assign(off=distance > np.maximum(2 * error[summary.index], _SLACK))


def _require_no_observed(observed: pd.DataFrame | None) -> None:
    if observed is not None:
        raise PredictionError(
            "observed= was given with a fit, which is compared with the scores it was fitted to. "
            "For other scores predict their LLMs first, and compare those: fit.predict(llms)."
        )


def _compare_fit(
    fit: ScalingFit, level: str | None, ci_prob: float, random_seed: int | None
) -> Agreement:
    probs = interval_probs(ci_prob)
    score = fit.posterior_predictive(level, random_seed)["posterior_predictive"]["score"]
    labels = pd.DataFrame({name: score[name].to_numpy() for name in ("llm", "benchmark")})
    plain = score.drop_vars(["llm", "benchmark", "family", "recipe"])
    columns = summarise(plain, probs, "eti").drop(columns="obs")
    summary = pd.concat([labels, columns], axis=1).assign(observed=fit.model.design.score)
    names = fit.model.design.benchmarks
    return Agreement(_with_inside(summary, ci_prob), score.to_dataset(), ci_prob, names)


def _compare_prediction(predicted: Prediction, observed: pd.DataFrame | None) -> Agreement:
    _require_scores(observed)
    summary = predicted.summary.reset_index(names="obs")
    summary = summary[summary["known"].isna()].drop(columns=["family_status", "known"])
    cells = pd.DataFrame(observed)[["llm", "benchmark", "score"]]
    cells = cells.rename(columns={"score": "observed"}).dropna(subset=["observed"])
    joined = summary.merge(cells, on=["llm", "benchmark"])
    if joined.empty:
        raise PredictionError(
            "No observed score belongs to a predicted cell, so there is nothing to compare. The "
            f"predicted LLMs are {first(quoted(predicted.summary['llm'].unique()))}, the observed "
            f"ones {first(quoted(cells['llm'].unique()))}: give the same names."
        )
    draws = predicted.draws[["score"]].isel(obs=joined["obs"].to_numpy())
    names = tuple(str(name) for name in joined["benchmark"].unique())
    ci_prob = predicted.ci_prob
    inner = interval_probs(ci_prob)[0]
    bounds = draws["score"].quantile(tails(inner), [dim for dim in draws.dims if dim != "obs"])
    found = joined.drop(columns="obs")
    place = list(found).index("sd") + 1
    for end, values in (("ub", bounds[1]), ("lb", bounds[0])):
        found.insert(place, f"eti{100 * inner:g}_{end}", values.to_numpy())
    return Agreement(_with_inside(found, ci_prob), draws, ci_prob, names)


def _require_scores(observed: pd.DataFrame | None) -> None:
    if observed is None:
        raise PredictionError(
            "A prediction needs observed scores to be compared with. Give them as "
            "observed=scores, a frame with the columns 'llm', 'benchmark' and 'score'."
        )
    absent = [name for name in ("llm", "benchmark", "score") if name not in observed]
    if absent:
        raise PredictionError(
            f"observed lacks {first(quoted(absent))}. It needs the columns 'llm', 'benchmark' and "
            "'score', a fraction in [0, 1]; rename with observed.rename(columns=...)."
        )


def _with_inside(summary: pd.DataFrame, ci_prob: float) -> pd.DataFrame:
    lower, upper = (f"eti{100 * ci_prob:g}_{end}" for end in ("lb", "ub"))
    inside = (summary[lower] <= summary["observed"]) & (summary["observed"] <= summary[upper])
    return summary.assign(inside=inside)
