"""Folds that hide single scores of LLMs whose other scores are known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from latentscale.errors import SplitError
from latentscale.splits.folds import Splits, fold_of, require_share
from latentscale.table import ScoreTable


def mask_suite(table: ScoreTable, share: float = 0.25, random_seed: int = 1) -> Splits:
    """Hide all scores on one suite of benchmarks, of a share of the LLMs that have others.

    Parameters
    ----------
    table : ScoreTable
        With a column ``suite`` of its benchmarks.
    share : float, default 0.25
        Of the LLMs with scores both on a suite and on others, about the share whose scores on it
        are hidden in a fold: they are dealt to as many folds as shares make up a whole, to the
        nearest number.
    random_seed : int, default 1
        The same seed deals LLMs to folds in the same way.

    Returns
    -------
    Splits
        As many folds for each suite as shares make up a whole, so that each LLM is masked once.

    Raises
    ------
    SplitError
        ``share`` is not above 0 and at most 0.5, benchmarks have no suite, or no LLM has scores on
        several.

    Examples
    --------
    >>> import latentscale as ls
    >>> ls.splits.mask_suite(ls.load_leaderboard())
    mask a suite: 8 folds, 1,443 hidden scores
    """
    require_share(share)
    if "suite" not in table.benchmarks or table.benchmarks["suite"].isna().any():
        raise SplitError(
            "The benchmarks have no suite, or not all of them: there is none to mask. Give the "
            "table's benchmarks a column 'suite', such as 'v1' and 'v2'."
        )
    suite = table.scores["benchmark"].map(table.benchmarks.set_index("benchmark")["suite"])
    suites_of = suite.groupby(table.scores["llm"]).nunique()
    several = suites_of.index[suites_of > 1]
    folds = []
    for name in sorted(suite.unique()):
        members = table.scores["llm"][(suite == name) & table.scores["llm"].isin(several)]
        hand = _dealt(pd.Index(sorted(members.unique())), share, random_seed)
        held = table.scores["llm"].map(hand).where(suite == name)
        folds += [fold_of(f"{name}, {n + 1}", table, held == n) for n in sorted(hand.unique())]
    if not folds:
        raise SplitError(
            "No LLM of the table has scores on several suites, so that with one of them hidden "
            "nothing would be known of it. Use leave_family_out or random_cells."
        )
    return Splits("mask a suite", tuple(folds))


def random_cells(table: ScoreTable, share: float = 0.1, random_seed: int = 1) -> Splits:
    """Hide single scores at random.

    This is easy: an LLM's other scores are known, and those of its siblings on the same benchmark.

    Parameters
    ----------
    table : ScoreTable
    share : float, default 0.1
        Of the scores, about the share that is hidden in a fold: they are dealt to as many folds as
        shares make up a whole, to the nearest number.
    random_seed : int, default 1
        The same seed deals scores to folds in the same way.

    Returns
    -------
    Splits
        As many folds as shares make up a whole, so that each score is hidden once.

    Raises
    ------
    SplitError
        ``share`` is not above 0 and at most 0.5.

    Examples
    --------
    >>> import latentscale as ls
    >>> ls.splits.random_cells(ls.load_leaderboard(), share=0.2)
    random cells: 5 folds, 2,133 hidden scores
    """
    require_share(share)
    hand = _dealt(table.scores.index, share, random_seed)
    folds = [fold_of(str(n + 1), table, hand == n) for n in sorted(hand.unique())]
    return Splits("random cells", tuple(folds))


def _dealt(labels: pd.Index, share: float, seed: int) -> pd.Series:
    """Deal labels at random to as many hands as shares make up a whole, none empty."""
    n = min(round(1 / share), len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    return pd.Series(order % max(1, n), index=labels)
