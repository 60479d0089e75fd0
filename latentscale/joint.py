"""Whether predictions of several LLMs hold together, not only one by one.

Two LLMs of a family nobody has seen share what is not known of the family. A model that knows that
is surer of their difference than of either; one that does not gets the differences wrong, however
well its intervals of single scores hold.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.metrics import ranks


def score_pairs(fold: xr.Dataset, rng: np.random.Generator) -> pd.DataFrame:
    """Rank the difference of two scores among the predicted differences.

    The hidden LLMs of each family are paired at random, on each benchmark anew, none of them twice.

    Parameters
    ----------
    fold : xarray.Dataset
        As in :attr:`latentscale.Backtest.folds`.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        One row a pair: ``family``, ``benchmark``, ``llm``, ``other``; ``difference`` of their
        scores; ``pit``, the share of draws of the difference below it (draws that equal it counted
        half); and ``pit_if_apart``, the same with the two drawn independently of each other.
    """
    draws, observed = fold["score"].to_numpy(), fold["observed"].to_numpy()
    labels = pd.DataFrame({name: fold[name].to_numpy() for name in ("family", "benchmark", "llm")})
    rows = []
    for (family, benchmark), members in labels.groupby(["family", "benchmark"], sort=True):
        cells = rng.permutation(members.index.to_numpy())
        for one, other in list(pairwise(cells))[::2]:
            difference = observed[one] - observed[other]
            apart = rng.permutation(draws[:, other])
            rows.append(
                {
                    "family": family,
                    "benchmark": benchmark,
                    "llm": labels["llm"][one],
                    "other": labels["llm"][other],
                    "difference": difference,
                    "pit": ranks(draws[:, one] - draws[:, other], difference),
                    "pit_if_apart": ranks(draws[:, one] - apart, difference),
                }
            )
    numbers = dict.fromkeys(("difference", "pit", "pit_if_apart"), float)
    columns = ["family", "benchmark", "llm", "other", *numbers]
    return pd.DataFrame(rows, columns=columns).astype(numbers)
