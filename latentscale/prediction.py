"""Predicting LLMs: what they will score, and how sure that is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from latentscale.conditioning import KnownCells, condition, log_evidence
from latentscale.design import Design
from latentscale.errors import PredictionError
from latentscale.estimates import known_labels, require_probability, tails
from latentscale.evaluated import (
    as_asked,
    positions_of,
    require_conditions,
    trials_of,
    with_conditions,
)
from latentscale.forward import (
    add_groups,
    expected_of_cells,
    fitted_members,
    read_draws,
    scatter_of,
    with_features,
)
from latentscale.likelihoods import likelihood_of
from latentscale.placing import placed, read_asked, warn_extrapolation
from latentscale.table import ScoreTable
from latentscale.wording import count, first, quoted, with_nearest

if TYPE_CHECKING:
    from latentscale.model import ScalingModel


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """What LLMs are predicted to score.

    Attributes
    ----------
    summary : pandas.DataFrame
        One row for each LLM and benchmark: ``llm``, ``benchmark``, ``mean`` and ``sd`` of a new
        score, the bounds of its equal-tailed interval (``eti90_lb``, ``eti90_ub`` at
        ``ci_prob=0.9``), ``family_status`` (``fitted``, ``new recipe`` or ``new family``), and
        ``known``, the score that was conditioned on, if any.
    draws : xarray.Dataset
        ``expected`` (the expected score) and ``score`` (a new score), dims (chain, draw, obs), or
        (sample, obs) where known scores were conditioned on; joint across ``obs``. The coords
        ``llm``, ``benchmark`` and ``family_status`` label ``obs``.
    ci_prob : float
        The probability of the interval.
    """

    summary: pd.DataFrame
    draws: xr.Dataset
    ci_prob: float

    def __repr__(self) -> str:
        """Say what is predicted, and show the first rows."""
        llms = count(self.summary["llm"].nunique(), "LLM")
        benchmarks = count(self.summary["benchmark"].nunique(), "benchmark")
        table = self.summary.head(12).to_string(index=False, float_format=lambda x: f"{x:.3f}")
        rest = len(self.summary) - 12
        tail = f"\n... and {rest} more rows in .summary" if rest > 0 else ""
        return f"Prediction of {llms} on {benchmarks}\n{table}{tail}"


def predict(
    model: ScalingModel,
    posterior: xr.Dataset,
    llms: pd.DataFrame,
    scores: pd.DataFrame | None,
    ci_prob: float,
    random_seed: int | None,
    benchmarks: Sequence[str] | None,
    conditions: pd.DataFrame | None = None,
) -> Prediction:
    """Predict LLMs from a posterior; :meth:`latentscale.ScalingFit.predict` documents it."""
    require_probability(ci_prob)
    design, spec = model.design, model.spec
    asked = read_asked(model, llms, scores)
    shown = _benchmark_positions(design, benchmarks)
    rng = np.random.default_rng(random_seed)
    members, status, draws = placed(design, spec, posterior, asked.llms, rng)
    warn_extrapolation(design, asked.llms, members)
    likelihood = likelihood_of(spec.likelihood)
    if conditions is not None:
        require_conditions(model, asked.llms, conditions)
    if asked.n_obs:
        scored = with_conditions(design, members, asked.llms, asked.scores)
        families = asked.llms["family"].tolist()
        draws = condition(draws, scored, _known_cells(design, asked), families, likelihood, rng)
    members = as_asked(design, members, asked, conditions)
    llm, benchmark = np.indices((len(members), len(shown))).reshape(2, -1)
    expected = expected_of_cells(draws, members, llm, shown[benchmark])
    trials = trials_of(model, asked.llms, conditions)
    items = None if trials is None else trials[llm, shown[benchmark]]
    score = likelihood.draw(rng, expected, scatter_of(draws, shown[benchmark]), items)
    names = [design.benchmarks[position] for position in shown]
    dataset = prediction_draws(asked.llms, names, status, expected, score)
    if not asked.n_obs:
        dataset = _by_chain(dataset, (posterior.sizes["chain"], posterior.sizes["draw"]))
    return Prediction(summarise_prediction(dataset, asked.scores, ci_prob), dataset, ci_prob)


def joint_log_density(
    model: ScalingModel,
    posterior: xr.Dataset,
    llms: pd.DataFrame,
    scores: pd.DataFrame,
    random_seed: int | None,
) -> pd.DataFrame:
    """Judge scores by their joint density; :meth:`latentscale.ScalingFit.log_density` documents it.

    The mean over draws has the error of a mean, and its logarithm that error over the mean.
    """
    design, spec = model.design, model.spec
    asked = read_asked(model, llms, scores)
    if not asked.n_obs:
        raise PredictionError("There is no score whose density could be asked for. Give scores=.")
    rng = np.random.default_rng(random_seed)
    members, _, draws = placed(design, spec, posterior, asked.llms, rng)
    known = _known_cells(design, asked)
    members = with_conditions(design, members, asked.llms, asked.scores)
    by_family = log_evidence(draws, members, known, likelihood_of(spec.likelihood), rng)
    family_of = members.family[known.llm]
    rows = []
    for position, log_density in by_family.items():
        relative = np.exp(log_density - log_density.max())
        rows.append(
            {
                "family": asked.llms["family"].to_numpy()[members.family == position][0],
                "n": int((family_of == position).sum()),
                "log_density": float(logsumexp(log_density) - np.log(len(log_density))),
                "mcse": float(relative.std(ddof=1) / relative.mean() / len(relative) ** 0.5),
            }
        )
    return pd.DataFrame(rows)


def replicate(
    model: ScalingModel, posterior: xr.Dataset, level: str | None, random_seed: int | None
) -> np.ndarray:
    """Draw replicates of the observed cells, dims (chain, draw, obs).

    ``level="score"`` keeps all effects, ``"llm"`` draws new LLM effects, ``"recipe"`` also new
    recipe effects and deviations, ``"family"`` also those of families, ``"developer"`` all.
    """
    levels = model.spec.levels
    level = level or levels[-1]
    if level not in levels:
        raise PredictionError(
            f"level={first(with_nearest([str(level)], levels))} is not known. Use one of "
            f"{first(quoted(levels), 5)}: the highest level whose effects are drawn anew."
        )
    design = model.design
    fitted = fitted_members(design, model.spec)
    anew = {
        kind: getattr(fitted, kind) + getattr(fitted, kind).max() + 1
        for kind in levels[1 : levels.index(level) + 1]
    }
    members = dataclasses.replace(fitted, **anew)
    rng = np.random.default_rng(random_seed)
    draws = with_features(read_draws(posterior), design)
    draws = add_groups(draws, members, rng, model.spec.recipe_tail)
    expected = expected_of_cells(draws, members, design.llm_of_obs, design.benchmark_of_obs)
    scatter = scatter_of(draws, design.benchmark_of_obs)
    likelihood = likelihood_of(model.spec.likelihood)
    trials = design.scores["trials"].to_numpy() if likelihood.uses_counts else None
    score = likelihood.draw(rng, expected, scatter, trials)
    return score.reshape(posterior.sizes["chain"], posterior.sizes["draw"], -1)


def _benchmark_positions(design: Design, benchmarks: Sequence[str] | None) -> np.ndarray:
    if benchmarks is None:
        return np.arange(len(design.benchmarks))
    names = known_labels(benchmarks, design.benchmarks, "benchmarks", "benchmarks")
    return np.array([design.benchmarks.index(name) for name in names])


def _known_cells(design: Design, asked: ScoreTable) -> KnownCells:
    return KnownCells(asked.scores, *positions_of(design, asked.llms, asked.scores))


def prediction_draws(
    llms: pd.DataFrame,
    benchmarks: Sequence[str],
    status: Sequence[str] | np.ndarray,
    expected: np.ndarray,
    score: np.ndarray,
) -> xr.Dataset:
    """Lay the draws out long: every LLM on every benchmark, dims (sample, obs)."""
    n_benchmarks = len(benchmarks)
    labels = {
        "llm": np.repeat(llms["llm"].to_numpy(dtype=str), n_benchmarks),
        "family": np.repeat(llms["family"].to_numpy(dtype=str), n_benchmarks),
        "benchmark": np.tile(np.array(benchmarks, dtype=str), len(llms)),
        "family_status": np.repeat(np.array(status), n_benchmarks),
    }
    variables = {
        name: (("sample", "obs"), values)
        for name, values in (("expected", expected), ("score", score))
    }
    coords = {name: ("obs", values) for name, values in labels.items()}
    return xr.Dataset(variables, coords={"obs": np.arange(expected.shape[1]), **coords})


def _by_chain(dataset: xr.Dataset, sizes: tuple[int, int]) -> xr.Dataset:
    """Give draws that were not resampled their chains back."""
    index = pd.MultiIndex.from_product([range(sizes[0]), range(sizes[1])], names=["chain", "draw"])
    coords = xr.Coordinates.from_pandas_multiindex(index, "sample")
    return dataset.assign_coords(coords).unstack("sample").transpose("chain", "draw", "obs")


def summarise_prediction(dataset: xr.Dataset, known: pd.DataFrame, ci_prob: float) -> pd.DataFrame:
    """Give the ``summary`` of a :class:`Prediction` from its draws and the known scores."""
    require_probability(ci_prob)
    score = dataset["score"]
    dims = [dim for dim in score.dims if dim != "obs"]
    bounds = score.quantile(tails(ci_prob), dim=dims)
    percent = f"{100 * ci_prob:g}"
    summary = pd.DataFrame(
        {
            "llm": dataset["llm"].to_numpy(),
            "benchmark": dataset["benchmark"].to_numpy(),
            "mean": score.mean(dims).to_numpy(),
            "sd": score.std(dims).to_numpy(),
            f"eti{percent}_lb": bounds[0].to_numpy(),
            f"eti{percent}_ub": bounds[1].to_numpy(),
            "family_status": dataset["family_status"].to_numpy(),
        }
    )
    known = known[["llm", "benchmark", "score"]].rename(columns={"score": "known"})
    known["known"] = known["known"].astype(float)
    known = known.astype({"llm": object, "benchmark": object})
    return summary.merge(known, on=["llm", "benchmark"], how="left")
