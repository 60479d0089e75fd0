"""LLMs that are to be predicted, checked by the rules of the score table."""

from __future__ import annotations

import pandas as pd

from latentscale.table.columns import Missing
from latentscale.table.intake import draft_new
from latentscale.table.score_table import ScoreTable
from latentscale.table.validation import validated


def table_of_new_llms(
    llms: pd.DataFrame,
    scores: pd.DataFrame | None = None,
    benchmarks: pd.DataFrame | None = None,
    *,
    missing: Missing = "error",
) -> ScoreTable:
    """Check LLMs that are to be predicted, with their known scores if there are any.

    The rules are those of :meth:`ScoreTable.from_long`, but a benchmark may have one score or
    none, and the scores may be absent.

    Parameters
    ----------
    llms : pandas.DataFrame
        Columns ``llm`` and ``family``, and what else :meth:`ScoreTable.from_long` takes.
    scores : pandas.DataFrame, optional
        Known scores of these LLMs: ``llm``, ``benchmark``, ``score``.
    benchmarks : pandas.DataFrame, optional
        The benchmarks that may occur, such as the fitted table's.
    missing : {"error", "keep"}, default "error"
        What to do about unknown (NaN) numeric features.

    Returns
    -------
    ScoreTable
        Its ``llms`` and ``scores`` are clean.

    Raises
    ------
    TableError
        With every problem of the frames.

    Examples
    --------
    >>> new = table_of_new_llms(pd.DataFrame({"llm": ["a-70b"], "family": ["a"]}))
    >>> new.llms["recipe"].tolist(), new.n_obs
    (['a'], 0)
    """
    return ScoreTable._of(*validated(draft_new(llms, scores, benchmarks, missing)))
