"""What a fit says of features that were unknown of its LLMs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.errors import PredictionError
from latentscale.estimates import Estimates, interval_probs, summarise
from latentscale.features import date_of_years

if TYPE_CHECKING:
    from latentscale.fit import ScalingFit


@dataclass(frozen=True, eq=False, repr=False)
class Imputed(Estimates):
    """What the unknown features of LLMs may be.

    Attributes
    ----------
    categories : pandas.DataFrame
        A row for each ``llm``, ``feature`` that is a category and unknown, and ``category``, with
        its ``probability`` and what that was before the scores, ``prior``.
    """

    categories: pd.DataFrame


def imputed(fit: ScalingFit, ci_prob: float | None = None) -> Imputed:
    """Say what the unknown features of fitted LLMs may be, given what is known and the scores.

    Parameters
    ----------
    fit : ScalingFit
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Imputed
        ``summary``, of numbers: ``llm``, ``family``, ``feature``, mean, sd and intervals in the
        unit of the feature's column (of dates, the year and its fraction), and ``learnt``: by how
        much scores narrowed it, one less the posterior's variance over the prior's, on the scale of
        :mod:`latentscale.population`; about zero where they say nothing. ``draws``: ``imputed``,
        dims (chain, draw, unknown).

    Raises
    ------
    PredictionError
        Nothing was unknown.
    """
    design, probs = fit.model.design, interval_probs(ci_prob)
    if not len(design.unknowns):
        raise PredictionError(
            f"Every feature that {fit.spec.features!r} needs was known of all fitted LLMs, so none "
            "was drawn."
        )
    numbers, told, learnt = _numbers(fit)
    frame = summarise(numbers, probs)
    summary = pd.concat([told, frame.drop(columns="unknown")], axis=1).assign(learnt=learnt)
    return Imputed(summary, xr.Dataset({"imputed": numbers}), probs, _categories(fit))


def _of_llms(fit: ScalingFit, llm: np.ndarray) -> np.ndarray:
    """Give the configuration of each LLM's family, dims (chain, draw, llm)."""
    unknowns = fit.model.design.unknowns
    of_llm = np.searchsorted(unknowns.family, fit.model.design.family_of_llm[llm])
    chosen: np.ndarray = fit.posterior["configuration"].to_numpy()[..., of_llm]
    return chosen


def _numbers(fit: ScalingFit) -> tuple[xr.DataArray, pd.DataFrame, np.ndarray]:
    """Give draws of unknown numbers in their units, whose they are, and how much was learnt."""
    design = fit.model.design
    llm, which = np.nonzero(np.isnan(design.population.scores(design.llms)))
    # dims (unknown, configuration), then (chain, draw, unknown)
    at_configurations = design.unknowns.scores[:, llm, which].T
    scores = at_configurations[np.arange(len(llm)), _of_llms(fit, llm)]
    names = np.array(design.encoding.inputs, dtype=object)[which]
    values = np.empty(scores.shape)
    for name in design.encoding.inputs:
        found = design.population.scales[name].back(scores[..., names == name])
        values[..., names == name] = (
            date_of_years(found) if name in design.encoding.dates else found
        )
    told = pd.DataFrame(
        {
            "llm": design.llms["llm"].to_numpy()[llm],
            "family": design.llms["family"].to_numpy()[llm],
            "feature": names,
        }
    )
    labels = [f"{row.llm}: {row.feature}" for row in told.itertuples()]
    posterior = fit.posterior
    draws = xr.DataArray(
        values,
        dims=("chain", "draw", "unknown"),
        coords={"chain": posterior["chain"], "draw": posterior["draw"], "unknown": labels},
    )
    prior = at_configurations.var(axis=1)
    # What follows from what is known has no variance that could be narrowed.
    learnt = 1 - scores.var(axis=(0, 1)) / np.where(prior > 0, prior, np.nan)
    return draws, told, learnt


def _categories(fit: ScalingFit) -> pd.DataFrame:
    """Give the chances of unknown categories, before and after."""
    design, rows = fit.model.design, []
    population, unknowns = design.population, design.unknowns
    for at, (name, seen) in enumerate(design.encoding.levels.items()):
        llm = np.flatnonzero(design.llms[name].isna())
        chosen = _of_llms(fit, llm)
        for position, i in enumerate(llm):
            family = pd.Series([design.llms["family"].iloc[i]] * len(unknowns.uniforms))
            at_configurations = population.category(family, name, unknowns.uniforms[:, i, at])
            for category in seen:
                is_it = at_configurations == category
                rows.append(
                    {
                        "llm": design.llms["llm"].iloc[i],
                        "feature": name,
                        "category": category,
                        "probability": is_it[chosen[..., position]].mean(),
                        "prior": is_it.mean(),
                    }
                )
    return pd.DataFrame(rows, columns=["llm", "feature", "category", "probability", "prior"])
