"""Answers with their uncertainty: draws, and their summary with two intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.errors import LatentScaleError, PredictionError
from latentscale.wording import count, first, quoted, with_nearest


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


def require_probability(ci_prob: object, error: type[LatentScaleError] = PredictionError) -> None:
    """Check the probability of an interval."""
    if not isinstance(ci_prob, int | float) or not 0 < ci_prob < 1:
        raise error(
            f"ci_prob={ci_prob!r} is not a probability between 0 and 1. For a 90 % interval use "
            "ci_prob=0.9."
        )


def tails(ci_prob: float) -> tuple[float, float]:
    """Give the probabilities below the ends of an equal-tailed interval.

    Examples
    --------
    >>> tails(0.5)
    (0.25, 0.75)
    """
    return (1 - ci_prob) / 2, (1 + ci_prob) / 2


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
    require_probability(outer)
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


def known_labels(asked: Sequence[str], known: Sequence[str], argument: str, noun: str) -> list[str]:
    """Check labels that were asked for, one or several.

    Parameters
    ----------
    asked : str or sequence of str
    known : sequence of str
    argument, noun : str
        What the argument and the labels are called in the message.

    Returns
    -------
    list of str
        Each once.

    Raises
    ------
    PredictionError
        A label is not known, or there is none.
    """
    labels = list(dict.fromkeys(map(str, [asked] if np.isscalar(asked) else asked)))
    unknown = [label for label in labels if label not in known]
    if unknown or not labels:
        named = first(with_nearest(unknown, known)) or "nothing"
        raise PredictionError(
            f"{argument} names {named}, which the fit does not have. Its {noun} are "
            f"{first(quoted(known), 20)}."
        )
    return labels
