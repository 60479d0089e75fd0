"""Which scores are hidden from a model, and predicted: the folds of a backtest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import pandas as pd

from latentscale.errors import SplitError
from latentscale.table import ScoreTable
from latentscale.wording import count


@dataclass(frozen=True, eq=False)
class Split:
    """One fold: the scores that are hidden, and the table of those that are known.

    Attributes
    ----------
    name : str
        What tells the fold from the others, such as the family that is left out.
    table : ScoreTable
        The whole table.
    hidden : pandas.DataFrame
        The cells to predict: ``llm``, ``benchmark``, ``score``.
    """

    name: str
    table: ScoreTable
    hidden: pd.DataFrame

    @property
    def known(self) -> ScoreTable:
        """The table without the hidden scores."""
        return self.table.where(~self._is_hidden(self.table.scores))

    @property
    def llms(self) -> pd.DataFrame:
        """The LLMs with hidden scores: the table's rows of them."""
        llms = self.table.llms
        return llms[llms["llm"].isin(self.hidden["llm"])].reset_index(drop=True)

    def family_scores(self) -> pd.DataFrame:
        """List the scores of the families with hidden ones, and which are hidden.

        Returns
        -------
        pandas.DataFrame
            Columns ``split``, ``family``, ``llm``, ``benchmark``, ``score`` and ``hidden``.
        """
        scores = self.table.joined()
        scores = scores[scores["family"].isin(self.llms["family"])]
        marked = scores.assign(split=self.name, hidden=self._is_hidden(scores))
        return marked[["split", "family", "llm", "benchmark", "score", "hidden"]]

    def _is_hidden(self, scores: pd.DataFrame) -> np.ndarray:
        cells, hidden = (
            pd.MultiIndex.from_frame(frame[["llm", "benchmark"]]) for frame in (scores, self.hidden)
        )
        return cells.isin(hidden)


@dataclass(frozen=True, eq=False, repr=False)
class Splits(Sequence[Split]):
    """The folds of a backtest.

    Attributes
    ----------
    name : str
        How they were made.
    folds : tuple of Split
    """

    name: str
    folds: tuple[Split, ...]

    def __len__(self) -> int:
        """Count the folds."""
        return len(self.folds)

    @overload
    def __getitem__(self, position: int) -> Split: ...

    @overload
    def __getitem__(self, position: slice) -> Splits: ...

    def __getitem__(self, position: int | slice) -> Split | Splits:
        """Give a fold by its position, or a part of the folds by a slice."""
        if isinstance(position, slice):
            return Splits(self.name, self.folds[position])
        return self.folds[position]

    def __iter__(self) -> Iterator[Split]:
        """Go through the folds."""
        return iter(self.folds)

    def to_frame(self) -> pd.DataFrame:
        """List every score of every fold, with whether it is hidden.

        Returns
        -------
        pandas.DataFrame
            Columns ``split``, ``family``, ``llm``, ``benchmark``, ``score`` and ``hidden``; of the
            known scores only those of the families with hidden ones.
        """
        return pd.concat([fold.family_scores() for fold in self.folds], ignore_index=True)

    def __repr__(self) -> str:
        """Count folds and hidden scores."""
        hidden = sum(len(fold.hidden) for fold in self.folds)
        return f"{self.name}: {count(len(self), 'fold')}, {count(hidden, 'hidden score')}"


def leave_family_out(table: ScoreTable, observed: int = 0) -> Splits:
    """Leave out one family after the other, but for its smallest LLMs.

    Parameters
    ----------
    table : ScoreTable
    observed : int, default 0
        How many of each family's smallest LLMs, by ``params_b``, keep their scores. Families
        without more LLMs than that have no fold. LLMs of equal size are taken in the order of the
        table, base LLMs first.

    Returns
    -------
    Splits
        One fold a family.

    Raises
    ------
    SplitError
        ``observed`` is not a whole number of at least 0, sizes are needed and unknown, or no family
        has enough LLMs.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["pythia", "opt"])
    >>> ls.splits.leave_family_out(table, observed=1)
    leave family out, 1 observed: 2 folds, 204 hidden scores
    """
    _require_observed(observed)
    llms = table.llms[table.llms["llm"].isin(table.scores["llm"])]
    if observed:
        llms = _by_size(llms)
    folds = []
    for family, members in llms.groupby("family", sort=True):
        rest = members["llm"].iloc[observed:]
        if len(rest):
            hidden = table.scores[table.scores["llm"].isin(rest)]
            cells = hidden[["llm", "benchmark", "score"]].reset_index(drop=True)
            folds.append(Split(str(family), table, cells))
    name = f"leave family out, {observed} observed"
    if not folds:
        raise SplitError(
            f"No family of the table has more than {count(observed, 'LLM')} with scores, so there "
            "is none to leave out. Use a smaller observed=, or a table with larger families."
        )
    return Splits(name, tuple(folds))


def _by_size(llms: pd.DataFrame) -> pd.DataFrame:
    if "params_b" not in llms or llms["params_b"].isna().any():
        lacking = llms["llm"] if "params_b" not in llms else llms["llm"][llms["params_b"].isna()]
        raise SplitError(
            f"{count(len(lacking), 'LLM')} with scores but without params_b, so that the smallest "
            f"of a family is not known: {', '.join(map(repr, lacking.head(3)))}"
            f"{', ...' if len(lacking) > 3 else ''}. Fill it in, or use observed=0."
        )
    return llms.sort_values(["params_b", "tuned"], kind="stable")


def _require_observed(observed: int) -> None:
    if not isinstance(observed, int | np.integer) or isinstance(observed, bool) or observed < 0:
        raise SplitError(
            f"observed={observed!r} must be a whole number of at least 0: how many of each "
            "family's smallest LLMs keep their scores."
        )
