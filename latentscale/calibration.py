"""Whether intervals hold: where observed scores lie within what was predicted of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.backtesting import Backtest
from latentscale.errors import BacktestError
from latentscale.estimates import require_probability, tails
from latentscale.metrics import LEVELS
from latentscale.wording import first, quoted, with_nearest

_GRID = np.linspace(0, 1, 101)
_RESAMPLES = 1_000
_INNER = 0.5
# Fewer families than these tell nothing of how others vary.
FEWEST = 5


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """How far the ranks of observed scores are from what they would be if intervals held.

    Attributes
    ----------
    summary : pandas.DataFrame
        One row a group: ``n``, how many ``families`` they are of, and ``coverage50``,
        ``coverage80``, ``coverage90``, ``coverage95``, the shares of scores whose rank lies within
        the middle 50 % of the draws, and so on.
    draws : xarray.Dataset
        Dims (group, at): ``gap``, the share of scores whose rank among the draws (``pit``) is at
        most the ``grid``, less the grid; it is zero where predictions are calibrated, above it on
        the left and below it on the right where they are too sure. And ``inner`` and ``outer``,
        dims (group, at, bound), intervals of it from resampling families; NaN where there are
        fewer than five, which tell nothing of others.
    by : str
        What the groups are.
    ci_prob : float
        The probability of ``outer``; that of ``inner`` is a half.
    """

    summary: pd.DataFrame
    draws: xr.Dataset
    by: str
    ci_prob: float

    def __repr__(self) -> str:
        """Show the coverage of each group."""
        table = self.summary.to_string(float_format=lambda x: f"{x:.3f}")
        return f"Coverage by {self.by}\n{table}"


def calibration(
    data: Backtest | pd.DataFrame,
    by: str = "benchmark",
    *,
    ci_prob: float = 0.9,
    random_seed: int = 1,
) -> Calibration:
    """Say whether intervals hold, group by group.

    Parameters
    ----------
    data : Backtest or pandas.DataFrame
        A backtest; or a frame with ``pit``, ``family`` and the column to group by, such as cells of
        several backtests, or the pairs of :meth:`latentscale.Backtest.pairs`.
    by : str, default "benchmark"
        The column that groups the cells.
    ci_prob : float, default 0.9
        Of the intervals of the gap. Families are resampled, each with all of its cells.
    random_seed : int, default 1

    Returns
    -------
    Calibration

    Raises
    ------
    BacktestError
        The cells lack a column, or ``ci_prob`` is no probability.
    """
    cells = data.cells if isinstance(data, Backtest) else data
    _require_columns(cells, by)
    require_probability(ci_prob, BacktestError)
    groups = {str(name): members for name, members in cells.groupby(by, sort=False)}
    rng = np.random.default_rng(random_seed)
    gaps = [_gap(members, ci_prob, rng) for members in groups.values()]
    draws = xr.concat(gaps, pd.Index(list(groups), name=by))
    summary = pd.DataFrame.from_dict(
        {name: _coverage(members) for name, members in groups.items()}, orient="index"
    )
    return Calibration(summary.rename_axis(by), draws, by, ci_prob)


def _coverage(cells: pd.DataFrame) -> dict[str, float]:
    """Count scores and families, and give the share of scores in the middle of their draws."""
    off = (cells["pit"] - 0.5).abs()
    inside = {f"coverage{level}": float((off <= level / 200).mean()) for level in LEVELS}
    return {"n": len(cells), "families": cells["family"].nunique(), **inside}


def _require_columns(cells: pd.DataFrame, by: str) -> None:
    known = [str(name) for name in cells.columns]
    absent = [name for name in (by, "family", "pit") if name not in known]
    if absent:
        raise BacktestError(
            f"The cells have no column {first(with_nearest(absent, known))}. Calibration is asked "
            "of cells like those of a Backtest, which have pit, family and the column to group by; "
            f"these have {first(quoted(known), 30)}."
        )


def _gap(cells: pd.DataFrame, ci_prob: float, rng: np.random.Generator) -> xr.Dataset:
    """Give the gap of one group and its intervals."""
    families, family = np.unique(cells["family"].to_numpy(dtype=str), return_inverse=True)
    below = (cells["pit"].to_numpy()[:, None] <= _GRID).astype(float)
    of_family = np.zeros((len(families), len(_GRID)))
    np.add.at(of_family, family, below)
    size = np.bincount(family)
    often = rng.multinomial(len(families), np.full(len(families), 1 / len(families)), _RESAMPLES)
    resampled = often @ of_family / (often @ size)[:, None] - _GRID
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "gap": (("at",), below.mean(axis=0) - _GRID)
    }
    for name, prob in (("inner", _INNER), ("outer", ci_prob)):
        bounds = np.quantile(resampled, tails(prob), axis=0)
        if len(families) < FEWEST:
            bounds[:] = np.nan
        variables[name] = (("at", "bound"), bounds.T)
    return xr.Dataset(variables, coords={"grid": ("at", _GRID)})
