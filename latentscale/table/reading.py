"""Numbers read from a scores frame: the score of each row, and what is wrong with its counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from latentscale.table.columns import COUNTS
from latentscale.table.plain import to_number

# Each problem of a pair of counts, and the line of code that leaves such rows out.
COUNT_REMEDIES: Mapping[str, str] = {
    "only one of successes and trials": ('scores = scores.dropna(subset=["successes", "trials"])'),
    "trials that are no whole number above 0": (
        'scores = scores[(scores["trials"] > 0) & (scores["trials"] % 1 == 0)]'
    ),
    "successes that are no whole number from 0": (
        'scores = scores[(scores["successes"] >= 0) & (scores["successes"] % 1 == 0)]'
    ),
    "more successes than trials": 'scores = scores[scores["successes"] <= scores["trials"]]',
}


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers of a scores frame, on its own index.

    ``score`` is what the row says or, failing that, ``implied``; NaN if neither is usable.
    ``garbled`` marks cells that hold something other than a number. ``implied`` is successes /
    trials, NaN unless both are usable. ``count_problem`` is a key of ``COUNT_REMEDIES``, or None.
    """

    score: pd.Series
    garbled: pd.Series
    implied: pd.Series
    count_problem: pd.Series


def read_scores(scores: pd.DataFrame) -> Reading:
    """Read the score and the counts of each row."""
    written = _column(scores, "score")
    given = to_number(written)
    garbled = written.notna() & given.isna()
    successes, trials = (to_number(_column(scores, name)) for name in COUNTS)
    problem = _count_problem(scores, successes, trials)
    implied = successes / trials.where(problem.isna())
    return Reading(given.where(given.notna() | garbled, implied), garbled, implied, problem)


def percent_benchmarks(scores: pd.DataFrame, read: Reading) -> list[str]:
    """Find the benchmarks whose scores are evidently in percent.

    A benchmark counts as such if its scores lie in [0, 100] and most of them exceed 1. If every
    benchmark has a score above 1 and most scores of the table exceed 1, all benchmarks count:
    weak LLMs can score below 1 percent on a hard benchmark.
    """
    if "benchmark" not in scores:
        return []
    score = read.score.dropna()
    by = score.groupby(scores["benchmark"], sort=False)
    plausible = (by.min() >= 0) & (by.max() <= 100)
    above = (score > 1).groupby(scores["benchmark"], sort=False).sum()
    most = above > by.count() / 2
    whole = bool(plausible.all() and (above > 0).all() and above.sum() > by.count().sum() / 2)
    return [str(name) for name in most.index[plausible & (most | whole)]]


def not_whole(number: pd.Series, least: int) -> pd.Series:
    """Mark numbers that are not whole, or below the least; NaN is marked too."""
    return ~((number >= least) & (number % 1 == 0))


def _count_problem(scores: pd.DataFrame, successes: pd.Series, trials: pd.Series) -> pd.Series:
    found = pd.Series(None, index=scores.index, dtype=object)
    if not set(COUNTS) <= set(scores):
        return found
    has_successes, has_trials = scores["successes"].notna(), scores["trials"].notna()
    bad = (
        has_successes != has_trials,
        has_trials & not_whole(trials, 1),
        has_successes & not_whole(successes, 0),
        successes > trials,
    )
    problems = np.select(bad, list(COUNT_REMEDIES), default="")
    return found.where(problems == "", pd.Series(problems, index=scores.index, dtype=object))


def _column(scores: pd.DataFrame, name: str) -> pd.Series:
    if name in scores:
        return scores[name]
    return pd.Series(np.nan, index=scores.index, dtype=float)
