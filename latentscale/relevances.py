"""How many features matter, by the horseshoe that shrinks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from latentscale.errors import PredictionError
from latentscale.estimates import Estimates, interval_probs, summarise

if TYPE_CHECKING:
    from latentscale.fit import ScalingFit


@dataclass(frozen=True, eq=False, repr=False)
class Relevances(Estimates):
    """Which terms matter.

    Attributes
    ----------
    n_effective : dict of str to float
        ``mean`` and interval bounds of how many design columns matter, of all that are shrunk.
    n_shrunk : int
        How many those are.
    """

    n_effective: dict[str, float]
    n_shrunk: int

    def __repr__(self) -> str:
        """Show the terms, and how many columns matter."""
        low, high = (self.n_effective[name] for name in list(self.n_effective)[-2:])
        line = (
            f"Effective number of the {self.n_shrunk} shrunk columns: "
            f"{self.n_effective['mean']:.1f} ({low:.1f} to {high:.1f})"
        )
        return f"{super().__repr__()}\n{line}"


def relevances(fit: ScalingFit, ci_prob: float | None = None) -> Relevances:
    """Say how much of its prior each shrunk term keeps, and how many columns matter.

    The effective number of columns is the sum of their 1 - k over columns, averaged over skills,
    where the shrinkage factor (Piironen and Vehtari 2017, Electronic Journal of Statistics 11,
    equation 9)::

        k = 1 / (1 + n relevance^2 / family_scale^2)

    is 1 where a slope is all prior, and 0 where it is all data; n is the number of families, since
    features hardly vary within them.

    Parameters
    ----------
    fit : ScalingFit
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Relevances
        ``summary``: ``term``, ``n_columns``, mean, sd and intervals of its relevance in (0, 1), the
        largest first. ``draws``: ``relevance`` and ``n_effective``.

    Raises
    ------
    PredictionError
        No feature is shrunk.
    """
    design, probs = fit.model.design, interval_probs(ci_prob)
    if not fit.spec.shrunk:
        raise PredictionError(
            f"No column of {fit.spec.features!r} is shrunk: it has only size, tokens, date and "
            "tuning, or shrunk= says so. All slopes keep their whole prior."
        )
    relevance = fit.posterior["relevance"]
    n_columns = np.bincount(design.shrinkage.term[design.shrinkage.term >= 0])
    counts = xr.DataArray(n_columns, coords={"term": relevance["term"]})
    information = len(design.families) * relevance**2 / fit.posterior["family_scale"] ** 2
    kept = information / (1 + information)
    n_effective = (kept * counts).sum("term").mean("skill").rename("n_effective")
    frame = summarise(relevance, probs)
    frame.insert(1, "n_columns", n_columns)
    frame = frame.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    row = summarise(n_effective.expand_dims(all=["all"]), probs).iloc[0].drop("all")
    return Relevances(
        summary=frame,
        draws=xr.Dataset({"relevance": relevance, "n_effective": n_effective}),
        ci_probs=probs,
        n_effective={str(name): float(value) for name, value in row.items()},
        n_shrunk=int(n_columns.sum()),
    )
