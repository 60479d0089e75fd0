"""The folds of a backtest: which scores are hidden from a model, and which it knows."""

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

    @property
    def hidden_scores(self) -> pd.DataFrame:
        """The hidden rows of the table's scores: with counts and conditions, where it has them."""
        return self.hidden[["llm", "benchmark"]].merge(self.table.scores, how="left")

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

    def together(self, n: int) -> Splits:
        """Hide the scores of several folds at once, for fewer refits.

        A model then knows less than in each of the folds, and errors are a little larger.

        Parameters
        ----------
        n : int
            How many folds to deal these to, in turn.

        Returns
        -------
        Splits

        Raises
        ------
        SplitError
            ``n`` is not a whole number from 1 to the number of folds, or folds know different
            tables, such as those by date.

        Examples
        --------
        >>> import latentscale as ls
        >>> table = ls.load_leaderboard().select(families=["pythia", "opt", "bloom"])
        >>> ls.splits.leave_family_out(table, observed=1).together(2)
        leave family out, 1 observed, together: 2 folds, 246 hidden scores
        """
        require_count("n", n, "how many folds to deal these to")
        if not 1 <= n <= len(self):
            raise SplitError(f"n={n} must be from 1 to {len(self)}, the number of folds there are.")
        if any(fold.table is not self.folds[0].table for fold in self.folds):
            raise SplitError(
                f"The folds of {self!r} know different tables, so that their scores cannot be "
                "hidden together."
            )
        dealt = [self.folds[position::n] for position in range(n)]
        merged = tuple(
            Split(
                ", ".join(fold.name for fold in hand),
                hand[0].table,
                pd.concat([fold.hidden for fold in hand], ignore_index=True),
            )
            for hand in dealt
        )
        return Splits(f"{self.name}, together", merged)

    def __repr__(self) -> str:
        """Count folds and hidden scores."""
        hidden = sum(len(fold.hidden) for fold in self.folds)
        return f"{self.name}: {count(len(self), 'fold')}, {count(hidden, 'hidden score')}"


def fold_of(name: str, table: ScoreTable, hidden: np.ndarray | pd.Series) -> Split:
    """Make a fold of the scores that a mask marks, dims (score,)."""
    cells = table.scores.loc[np.asarray(hidden), ["llm", "benchmark", "score"]]
    return Split(name, table, cells.reset_index(drop=True))


def require_count(argument: str, value: object, what: str, least: int = 0) -> None:
    """Check that an argument counts something."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise SplitError(
            f"{argument}={value!r} must be a whole number of at least {least}: {what}."
        )


def require_share(share: object) -> None:
    """Check the share of something that is hidden."""
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 0.5:
        raise SplitError(
            f"share={share!r} must be a number above 0 and at most 0.5: what part is hidden in a "
            "fold."
        )


def require_column(llms: pd.DataFrame, column: str, why: str) -> None:
    """Check that a column of LLMs with scores is there and known throughout."""
    lacking = llms["llm"] if column not in llms else llms["llm"][llms[column].isna()]
    if len(lacking):
        raise SplitError(
            f"{count(len(lacking), 'LLM')} with scores but without {column}, {why}: "
            f"{', '.join(map(repr, lacking.head(3)))}{', ...' if len(lacking) > 3 else ''}."
        )
