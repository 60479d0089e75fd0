"""Which of many numbers to look at closely: those whose draws wander most.

ArviZ takes milliseconds for the R-hat and the effective sample sizes of one number, and a table of
thousands of LLMs has as many abilities. Means over batches of consecutive draws take microseconds,
and say nearly the same: how much they differ, relative to the draws, is one over the effective
sample size of a batch (batch means; Flegal and Jones 2010, Annals of Statistics 38), and it is
large where chains stay apart. So the worst by these are the ones to look at.
"""

from __future__ import annotations

import numpy as np

# So many numbers of a variable are looked at closely: half for where they wander, half for how
# widely. In six fits of the bundled leaderboard (300 to 1,000 draws of 4 chains) they had the
# smallest bulk ESS of 717 abilities and of 864 deviations of recipes in twelve cases of twelve, the
# smallest tail ESS and the largest R-hat in nine; else they were at most 10 % and 0.0014 off.
LOOKED_AT = 50

_BATCHES = 10  # of each chain

# Draws of so many numbers are looked at together, for memory.
_TOGETHER = 500


def suspects(draws: np.ndarray) -> np.ndarray:
    """Find the numbers whose draws wander most.

    Parameters
    ----------
    draws : numpy.ndarray, dims (chain, draw, number)

    Returns
    -------
    numpy.ndarray of int, dims (suspect,)
        Their positions, in order; all, where there are few. Numbers with draws that are not finite
        go before others.
    """
    n = draws.shape[2]
    if n <= LOOKED_AT:
        return np.arange(n)
    parts = [draws[:, :, at : at + _TOGETHER] for at in range(0, n, _TOGETHER)]
    found = [np.concatenate(each) for each in zip(*map(_how_much, parts), strict=True)]
    worst = [np.argsort(-each, kind="stable")[: LOOKED_AT // 2] for each in found]
    return np.unique(np.concatenate(worst))


def _how_much(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Say how much draws wander, and how much their distances from the median do, (number,)."""
    with np.errstate(invalid="ignore"):  # what is not finite
        return _wandering(draws), _wandering(np.abs(draws - np.median(draws, axis=(0, 1))))


def _wandering(draws: np.ndarray) -> np.ndarray:
    """Give the variance of means over batches by that of the draws, dims (number,)."""
    size = min(max(2, draws.shape[1] // _BATCHES), draws.shape[1])
    whole = draws.shape[1] // size * size
    batches = draws[:, :whole].reshape(draws.shape[0], -1, size, draws.shape[2]).mean(axis=2)
    found: np.ndarray = batches.var(axis=(0, 1)) / draws.var(axis=(0, 1))
    return np.where(np.isfinite(found), found, np.inf)
