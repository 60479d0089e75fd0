"""Two methods on the same hidden scores: which is better, and how surely.

Families differ far more than LLMs of one family do, so what is resampled is families: their cells
all or none. Both methods are compared on the same cells, so that what makes a family hard for both
cancels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from latentscale.errors import BacktestError
from latentscale.estimates import require_probability, tails
from latentscale.metrics import CELL, cell_losses
from latentscale.wording import count, first, quoted, with_nearest

_RESAMPLES = 4_000


def paired_difference(
    one: pd.DataFrame,
    other: pd.DataFrame,
    *,
    cluster: str = "family",
    ci_prob: float = 0.95,
    random_seed: int = 1,
) -> pd.DataFrame:
    """Compare two methods on the cells that both predicted.

    Parameters
    ----------
    one, other : pandas.DataFrame
        The ``cells`` of two backtests of the same splits.
    cluster : str, default "family"
        The column whose values are resampled, each with all of its cells.
    ci_prob : float, default 0.95
        Of the interval.
    random_seed : int, default 1
        The same seed gives the same interval.

    Returns
    -------
    pandas.DataFrame
        One row for ``mae``, ``crps`` and ``interval_score90``, all in points: the means ``one`` and
        ``other``, their ``difference`` (below zero, ``one`` is better), the bounds ``lower`` and
        ``upper`` of a bootstrap interval of it, and ``n`` and ``clusters``, how many cells and
        clusters there are. Cells that only one of the two predicted do not count.

    Raises
    ------
    BacktestError
        They have no cells in common, fewer than two clusters, or ``cluster`` is no column.
    """
    return _resampled(one, other, "difference", cluster, ci_prob, random_seed)


def paired_gain(
    one: pd.DataFrame,
    other: pd.DataFrame,
    *,
    cluster: str = "family",
    ci_prob: float = 0.95,
    random_seed: int = 1,
) -> pd.DataFrame:
    """Say by what share of its loss one method is better than another.

    Parameters are those of :func:`paired_difference`.

    Returns
    -------
    pandas.DataFrame
        As :func:`paired_difference` gives it, with ``gain`` in place of the difference: 1 - one /
        other, above zero where ``one`` is better.

    Raises
    ------
    BacktestError
        They have no cells in common, or fewer than two clusters.
    """
    return _resampled(one, other, "gain", cluster, ci_prob, random_seed)


def _difference(one: Any, other: Any, n: Any) -> Any:
    return (one - other) / n


def _gain(one: Any, other: Any, _n: Any) -> Any:
    return 1 - one / other


_STATISTICS = {"difference": _difference, "gain": _gain}


def _resampled(
    one: pd.DataFrame,
    other: pd.DataFrame,
    statistic: str,
    cluster: str,
    ci_prob: float,
    random_seed: int,
) -> pd.DataFrame:
    """Compute a statistic of the summed losses of two methods, and its bootstrap interval."""
    require_probability(ci_prob, BacktestError)
    _require_cluster(cluster, one, other)
    columns = list(dict.fromkeys([*CELL, cluster]))
    both = _losses(one, columns).merge(_losses(other, columns), on=columns, suffixes=("", "'"))
    groups = both.groupby(cluster)
    _require_clusters(both, groups.ngroups, cluster)
    size, of = groups.size().to_numpy(), _STATISTICS[statistic]
    rng = np.random.default_rng(random_seed)
    drawn = rng.multinomial(len(size), np.full(len(size), 1 / len(size)), size=_RESAMPLES)
    rows = []
    for name in _losses(one, []):
        sums = groups[[name, f"{name}'"]].sum().to_numpy()
        total = sums.sum(axis=0)
        found = of(total[0], total[1], size.sum())
        resampled = of(drawn @ sums[:, 0], drawn @ sums[:, 1], drawn @ size)
        lower, upper = np.quantile(resampled, tails(ci_prob))
        rows.append((name, *(total / size.sum()), found, lower, upper, len(both), len(size)))
    names = ["metric", "one", "other", statistic, "lower", "upper", "n", "clusters"]
    return pd.DataFrame(rows, columns=names).set_index("metric")


def _require_cluster(cluster: str, one: pd.DataFrame, other: pd.DataFrame) -> None:
    known = [str(name) for name in one.columns if name in other]
    if cluster not in known:
        raise BacktestError(
            f"cluster= names {first(with_nearest([str(cluster)], known))}, which is no column of "
            f"the cells. Resample the values of one of {first(quoted(known), 30)}."
        )


def _require_clusters(both: pd.DataFrame, n_clusters: int, cluster: str) -> None:
    if n_clusters >= 2:
        return
    known = first(quoted(both[cluster].unique()))
    raise BacktestError(
        f"The two backtests have {count(len(both), 'cell')} in common, of "
        f"{n_clusters} different values of {cluster}{f' ({known})' if known else ''}. With "
        "fewer than two nothing can be said of chance. Compare backtests of the same splits."
    )


def _losses(cells: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Give the labels of cells and what each method loses on them."""
    losses = cell_losses(cells)[["mae", "crps", "interval_score90"]]
    return pd.concat([cells[columns], losses], axis=1)
