"""How good predictions are: error, sharpness and calibration, cell by cell and in sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from latentscale.errors import BacktestError
from latentscale.estimates import tails
from latentscale.wording import first, quoted, with_nearest

LEVELS = (50, 80, 90, 95)

# What tells a cell of a backtest from every other.
CELL = ["split", "llm", "benchmark"]


def score_cells(draws: np.ndarray, score: np.ndarray) -> pd.DataFrame:
    """Score the predictive draws of cells against what was observed.

    Parameters
    ----------
    draws : numpy.ndarray, dims (sample, cell)
        Of a new score, as fractions.
    score : numpy.ndarray, dims (cell,)
        Observed, as fractions.

    Returns
    -------
    pandas.DataFrame
        One row a cell: ``mean``, ``median`` and ``sd`` of the draws; the bounds ``lower50``,
        ``upper50`` and so on of equal-tailed intervals; ``crps``, the continuous ranked probability
        score E|X - score| - E|X - X'| / 2 (Gneiting and Raftery, 2007, JASA 102); and ``pit``, the
        share of draws below the score, draws that equal it counted half.
    """
    columns = {
        "mean": draws.mean(axis=0),
        "median": np.median(draws, axis=0),
        "sd": draws.std(axis=0),
    }
    for level in LEVELS:
        lower, upper = np.quantile(draws, tails(level / 100), axis=0)
        columns |= {f"lower{level}": lower, f"upper{level}": upper}
    columns["crps"] = _crps(draws, score)
    columns["pit"] = ranks(draws, score)
    return pd.DataFrame(columns)


def ranks(draws: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Give the share of draws below a value, draws that equal it counted half.

    Draws are along the first dim.
    """
    found: np.ndarray = (draws < value).mean(axis=0) + (draws == value).mean(axis=0) / 2
    return found


def summarise_cells(cells: pd.DataFrame, by: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Average the scores of cells.

    Parameters
    ----------
    cells : pandas.DataFrame
        As :func:`score_cells` gives them, with ``score``, ``benchmark`` and the columns to group
        by.
    by : str or sequence of str, optional
        Columns to group by; None for one row of all cells.

    Returns
    -------
    pandas.DataFrame
        One row a group: ``n``; ``mae``, the mean absolute error of the median, and ``crps``, both
        in points (hundredths of the scale of the score); ``coverage50`` and so on, the shares of
        scores inside of their intervals; ``width90`` and so on, the mean widths, in points; and
        ``interval_score90`` and so on, the widths plus 2 / alpha times what scores lie outside by;
        and ``rank_correlation``, Spearman's between medians and scores on a benchmark, averaged
        over benchmarks (NaN where none has three cells that differ).
    """
    group = [] if by is None else [by] if isinstance(by, str) else list(by)
    known = [str(name) for name in cells.columns]
    unknown = [name for name in group if name not in known]
    if unknown:
        raise BacktestError(
            f"by= names {first(with_nearest(unknown, known))}, which is no column of the cells. "
            f"Group by some of {first(quoted(known), 30)}."
        )
    losses = cell_losses(cells)
    if not group:
        whole = losses.mean().to_frame().T
        whole.insert(0, "n", len(cells))
        return whole.assign(rank_correlation=_rank_correlation(cells))
    keys = [cells[name] for name in group]
    summary: pd.DataFrame = losses.groupby(keys).mean()
    summary.insert(0, "n", losses.groupby(keys).size())
    ranks = [_rank_correlation(members) for _, members in cells.groupby(keys)]
    return summary.assign(rank_correlation=ranks)


def cell_losses(cells: pd.DataFrame) -> pd.DataFrame:
    """Give what each cell adds to the averages of :func:`summarise_cells`, in points.

    Parameters
    ----------
    cells : pandas.DataFrame
        As :func:`score_cells` gives them, with ``score``.

    Returns
    -------
    pandas.DataFrame
        One row a cell, with the columns of :func:`summarise_cells` that are averages.
    """
    score = cells["score"]
    found = {"mae": 100 * (cells["median"] - score).abs(), "crps": 100 * cells["crps"]}
    for level in LEVELS:
        lower, upper = cells[f"lower{level}"], cells[f"upper{level}"]
        outside = (lower - score).clip(lower=0) + (score - upper).clip(lower=0)
        width = upper - lower
        found[f"coverage{level}"] = (outside == 0).astype(float)
        found[f"width{level}"] = 100 * width
        found[f"interval_score{level}"] = 100 * (width + 2 / (1 - level / 100) * outside)
    return pd.DataFrame(found)


def _rank_correlation(cells: pd.DataFrame) -> float:
    """Average Spearman's correlation over benchmarks, weighted by their cells."""
    found = weights = 0.0
    for _, members in cells.groupby("benchmark"):
        if len(members) > 2 and members["median"].nunique() > 1 and members["score"].nunique() > 1:
            found += len(members) * spearmanr(members["median"], members["score"]).statistic
            weights += len(members)
    return found / weights if weights else np.nan


def _crps(draws: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Give the ranked probability score; the second term by sorting (unbiased)."""
    n = len(draws)
    ranked = np.sort(draws, axis=0)
    weight = (2 * np.arange(1, n + 1) - n - 1) / (n * (n - 1))
    spread = (weight[:, None] * ranked).sum(axis=0)
    result: np.ndarray = np.abs(draws - score).mean(axis=0) - spread
    return result
