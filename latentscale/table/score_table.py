"""The score table: who scored what, frozen and validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from latentscale.errors import TableError
from latentscale.table.choice import Names, check_known, read_names, row_mask, rows_to_keep
from latentscale.table.columns import Missing
from latentscale.table.findings import problem_rows
from latentscale.table.intake import draft_long, draft_more, draft_wide
from latentscale.table.render import as_html, as_text
from latentscale.table.validation import validated
from latentscale.wording import first, quoted


# No slots: a frozen dataclass with slots answers a stray assignment with a misleading TypeError.
@dataclass(frozen=True, eq=False, repr=False, init=False)
class ScoreTable:
    """Benchmark scores of LLMs with what is known of the LLMs, checked once and then frozen.

    Make one with :meth:`from_long` or :meth:`from_wide`, which copy what they are given and report
    every problem at once. A table is never changed: :meth:`select`, :meth:`drop` and :meth:`where`
    return new ones. These keep what validation ensured of single rows, but may leave a benchmark
    with fewer than two scores, or an LLM with none, as the training part of a split does.

    Notes
    -----
    Labels are text: ``7`` becomes ``"7"``. They are compared exactly, and never merged. Categories
    and dates among the features stay what they are; other columns get numpy dtypes, so that a
    missing number is NaN. Rows are numbered from 0 in the order of the user's frames.

    An LLM without any score is welcome: it carries its features. It is what one predicts.

    Examples
    --------
    >>> import pandas as pd
    >>> from latentscale.table import ScoreTable
    >>> llms = pd.DataFrame(
    ...     {"llm": ["a-1b", "a-7b"], "family": ["a", "a"], "params_b": [1.1, 6.9]}
    ... )
    >>> scores = pd.DataFrame(
    ...     {"llm": ["a-1b", "a-7b"], "benchmark": ["ARC", "ARC"], "score": [0.31, 0.44]}
    ... )
    >>> ScoreTable.from_long(scores, llms)
    ScoreTable
      LLMs        2 (1 family, 1 recipe)
      benchmarks  1
      scores      2 (0.0% of the cells missing)
      features    params_b
    """

    _scores: pd.DataFrame
    _llms: pd.DataFrame
    _benchmarks: pd.DataFrame

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        raise TableError(
            "A ScoreTable is not made by calling the class, which would leave its frames "
            "unchecked. Use one of:\n"
            "      ScoreTable.from_long(scores, llms, benchmarks=None)\n"
            '      ScoreTable.from_wide(frame, benchmarks=["MMLU", "GSM8K"])',
            problem_rows("unchecked frames", "scores"),
        )

    @classmethod
    def from_long(
        cls,
        scores: pd.DataFrame,
        llms: pd.DataFrame,
        benchmarks: pd.DataFrame | None = None,
        *,
        missing: Missing = "error",
    ) -> Self:
        """Make a table of one score a row, and report every problem at once.

        Parameters
        ----------
        scores : pandas.DataFrame
            Columns ``llm``, ``benchmark`` and ``score`` (a fraction in [0, 1]); optionally
            ``n_items``, or ``successes`` and ``trials``, from which a score that is not given is
            computed. Further columns, such as evaluation conditions, are kept.
        llms : pandas.DataFrame
            Columns ``llm`` and ``family``; optionally ``recipe`` (the post-training recipe;
            default: the family), ``tuned`` (1 if tuned to follow instructions, default 0) and
            ``developer`` (who pretrained the family; where unknown, the family stands alone). Any
            other column is a feature, among them ``params_b`` in 1e9 parameters, ``tokens_t`` in
            1e12 tokens and ``release_date``, dates or text such as ``"2024-06-07"``.
        benchmarks : pandas.DataFrame, optional
            Column ``benchmark``; optionally ``chance`` (the score of random guessing) and
            ``n_items``. Its order is the order of the table's benchmarks, otherwise that of their
            first score. A chance level that is not given is the bundled one where the benchmark
            is well known (``MMLU-PRO``, ``mmlu_pro``, ``ARC``, ...), else 0.
        missing : {"error", "keep"}, default "error"
            What to do about unknown (NaN) numeric features: report them, or carry them as
            unknown, so that a model draws them given what is known.

        Returns
        -------
        ScoreTable
            Holding copies; the frames that were passed stay as they are.

        Raises
        ------
        TableError
            The frames cannot be used. The message explains every kind of problem, and the
            error's ``problems`` frame lists every offending row.

        Warns
        -----
        TableWarning
            Labels that differ only by case or blanks.

        Examples
        --------
        >>> llms = pd.DataFrame({"llm": ["a", "b"], "family": ["f", "g"]})
        >>> scores = pd.DataFrame(
        ...     {"llm": ["a", "b"], "benchmark": "mmlu_pro", "successes": [3, 6], "trials": 12}
        ... )
        >>> table = ScoreTable.from_long(scores, llms)
        >>> table.scores["score"].tolist(), table.benchmarks["chance"].tolist()
        ([0.25, 0.5], [0.1])
        """
        return cls._of(*validated(draft_long(scores, llms, benchmarks, missing)))

    @classmethod
    def from_wide(
        cls,
        frame: pd.DataFrame,
        benchmarks: Sequence[str] | pd.DataFrame,
        *,
        chance: Mapping[str, float] | None = None,
        missing: Missing = "error",
    ) -> Self:
        """Make a table of one LLM a row and one benchmark a column.

        Parameters
        ----------
        frame : pandas.DataFrame
            Columns ``llm`` and ``family``, the score columns, and what else ``llms`` holds in
            :meth:`from_long`. An empty (NaN) score means that the LLM was not evaluated.
        benchmarks : sequence of str or pandas.DataFrame
            The names of the score columns, or a benchmarks frame as in :meth:`from_long`.
        chance : mapping of str to float, optional
            Chance levels by benchmark; they win over a benchmarks frame. Default: as in
            :meth:`from_long`.
        missing : {"error", "keep"}, default "error"
            What to do about unknown (NaN) numeric features, as in :meth:`from_long`.

        Returns
        -------
        ScoreTable
            Its scores ordered by LLM, then benchmark.

        Raises
        ------
        TableError
            As in :meth:`from_long`; also for a benchmark that is no column of the frame.

        Warns
        -----
        TableWarning
            Labels that differ only by case or blanks.

        Examples
        --------
        >>> frame = pd.DataFrame(
        ...     {"llm": ["a", "b"], "family": "f", "ARC": [0.3, 0.4], "quiz": [0.1, 0.2]}
        ... )
        >>> table = ScoreTable.from_wide(frame, ["ARC", "quiz"], chance={"quiz": 0.05})
        >>> table.benchmarks["chance"].tolist()
        [0.25, 0.05]
        """
        return cls._of(*validated(draft_wide(frame, benchmarks, chance, missing)))

    @classmethod
    def _of(cls, scores: pd.DataFrame, llms: pd.DataFrame, benchmarks: pd.DataFrame) -> Self:
        """Hold frames that are known to be clean; nobody else may keep a reference to them."""
        table = object.__new__(cls)
        for name, frame in (("_scores", scores), ("_llms", llms), ("_benchmarks", benchmarks)):
            object.__setattr__(table, name, frame.reset_index(drop=True))
        return table

    @property
    def scores(self) -> pd.DataFrame:
        """A copy of the scores: ``llm``, ``benchmark``, ``score`` (a fraction) and the rest."""
        return self._scores.copy()

    @property
    def llms(self) -> pd.DataFrame:
        """A copy of the LLMs: ``llm``, ``family``, ``recipe``, ``tuned`` and the features."""
        return self._llms.copy()

    @property
    def benchmarks(self) -> pd.DataFrame:
        """A copy of the benchmarks: ``benchmark``, ``chance`` (a fraction) and the rest."""
        return self._benchmarks.copy()

    @property
    def llm_names(self) -> list[str]:
        """The LLMs, in the user's order; some may have no score."""
        return self._llms["llm"].tolist()

    @property
    def family_names(self) -> list[str]:
        """The pretraining families, in order of their first LLM."""
        return self._llms["family"].drop_duplicates().tolist()

    @property
    def recipe_names(self) -> list[str]:
        """The post-training recipes, in order of their first LLM."""
        return self._llms["recipe"].drop_duplicates().tolist()

    @property
    def developer_names(self) -> list[str]:
        """The developers that are known, in order of their first LLM; none without the column."""
        if "developer" not in self._llms:
            return []
        return self._llms["developer"].dropna().drop_duplicates().tolist()

    @property
    def benchmark_names(self) -> list[str]:
        """The benchmarks, in order of the benchmarks frame."""
        return self._benchmarks["benchmark"].tolist()

    @property
    def n_obs(self) -> int:
        """The number of scores."""
        return len(self._scores)

    @property
    def missing_share(self) -> float:
        """The share of LLM and benchmark pairs without a score, in [0, 1]; 0 without any pair."""
        n_cells = len(self._llms) * len(self._benchmarks)
        return 1 - self.n_obs / n_cells if n_cells else 0.0

    def select(
        self,
        llms: Names = None,
        families: Names = None,
        recipes: Names = None,
        benchmarks: Names = None,
        developers: Names = None,
    ) -> Self:
        """Keep only what meets every criterion that is given.

        Parameters
        ----------
        llms, families, recipes, benchmarks, developers : str or iterable of str, optional
            Names to keep; None keeps all. The table's order stays.

        Returns
        -------
        ScoreTable
            A new table, of the kept LLMs and benchmarks and the scores of both.

        Raises
        ------
        TableError
            A name is not in the table.

        Examples
        --------
        >>> frame = pd.DataFrame({"llm": ["a", "b"], "family": ["f", "g"], "ARC": [0.3, 0.4]})
        >>> ScoreTable.from_wide(frame, ["ARC"]).select(families="g").llm_names
        ['b']
        """
        by_llm = read_names(
            {"llms": llms, "families": families, "recipes": recipes, "developers": developers}
        )
        return self._filtered(by_llm, read_names({"benchmarks": benchmarks}), named=True)

    def drop(
        self,
        llms: Names = None,
        families: Names = None,
        recipes: Names = None,
        benchmarks: Names = None,
        developers: Names = None,
    ) -> Self:
        """Leave out everything that is named: with one keyword, the complement of `select`.

        Parameters
        ----------
        llms, families, recipes, benchmarks, developers : str or iterable of str, optional
            Names to leave out, with all their scores.

        Returns
        -------
        ScoreTable
            A new table of what is left, in the same order.

        Raises
        ------
        TableError
            A name is not in the table.

        Examples
        --------
        >>> frame = pd.DataFrame({"llm": ["a", "b"], "family": ["f", "g"], "ARC": [0.3, 0.4]})
        >>> ScoreTable.from_wide(frame, ["ARC"]).drop(families="g").llm_names
        ['a']
        """
        by_llm = read_names(
            {"llms": llms, "families": families, "recipes": recipes, "developers": developers}
        )
        return self._filtered(by_llm, read_names({"benchmarks": benchmarks}), named=False)

    def where(self, mask: Sequence[bool] | npt.NDArray[np.bool_] | pd.Series) -> Self:
        """Keep the scores that a mask marks, and all LLMs and benchmarks.

        Parameters
        ----------
        mask : sequence of bool, numpy.ndarray or pandas.Series, dims (obs,)
            One truth value for each row of :attr:`scores` or :meth:`joined`.

        Returns
        -------
        ScoreTable
            A new table; LLMs and benchmarks whose scores are gone are still in its frames.

        Raises
        ------
        TableError
            The mask is not boolean, has another length, or has another index.

        Examples
        --------
        >>> frame = pd.DataFrame({"llm": ["a", "b"], "family": ["f", "g"], "ARC": [0.3, 0.4]})
        >>> table = ScoreTable.from_wide(frame, ["ARC"])
        >>> table.where(table.joined()["family"] == "g").n_obs
        1
        """
        kept = self._scores[row_mask(mask, self._scores)]
        return self._of(kept, self._llms, self._benchmarks)

    def with_scores(self, scores: pd.DataFrame, llms: pd.DataFrame | None = None) -> Self:
        """Add scores, and LLMs that the table does not have yet.

        Parameters
        ----------
        scores : pandas.DataFrame
            As :meth:`from_long` takes them: cells that the table has no score of. A benchmark may
            be new.
        llms : pandas.DataFrame, optional
            New LLMs, as :meth:`from_long` takes them; what is unknown of them stays unknown.

        Returns
        -------
        ScoreTable
            A new table; this one stays as it is.

        Raises
        ------
        TableError
            A cell has a score already, an LLM is in the table already or in neither, or as in
            :meth:`from_long`.

        Examples
        --------
        >>> frame = pd.DataFrame({"llm": ["a", "b"], "family": ["f", "g"], "ARC": [0.3, 0.4]})
        >>> more = pd.DataFrame({"llm": ["c"], "benchmark": ["ARC"], "score": [0.5]})
        >>> table = ScoreTable.from_wide(frame, ["ARC"])
        >>> table.with_scores(more, pd.DataFrame({"llm": ["c"], "family": ["f"]})).n_obs
        3
        """
        held = (self._scores, self._llms, self._benchmarks)
        return self._of(*validated(draft_more(held, scores, llms)))

    def joined(self) -> pd.DataFrame:
        """Join every score with its LLM's columns, in the order of :attr:`scores`.

        Returns
        -------
        pandas.DataFrame
            One row a score, on the index of :attr:`scores`. A column of the LLMs that the scores
            have too gets the suffix ``_llm``.

        Examples
        --------
        >>> frame = pd.DataFrame({"llm": ["a", "b"], "family": ["f", "g"], "ARC": [0.3, 0.4]})
        >>> ScoreTable.from_wide(frame, ["ARC"]).joined()["family"].tolist()
        ['f', 'g']
        """
        return self._scores.merge(
            self._llms, on="llm", how="left", suffixes=("", "_llm"), validate="many_to_one"
        )

    def to_wide(self) -> pd.DataFrame:
        """Lay the table out with one LLM a row and one benchmark a column.

        Returns
        -------
        pandas.DataFrame
            The columns of :attr:`llms`, then one of scores per benchmark; NaN where an LLM was not
            evaluated. Further columns of :attr:`scores`, such as counts, have no place in it.

        Raises
        ------
        TableError
            A benchmark has the name of a column of the LLMs.

        Examples
        --------
        >>> frame = pd.DataFrame({"llm": ["a", "b"], "family": ["f", "g"], "ARC": [0.3, 0.4]})
        >>> ScoreTable.from_wide(frame, ["ARC"]).to_wide().columns.tolist()
        ['llm', 'family', 'recipe', 'tuned', 'ARC']
        """
        both = [name for name in self.benchmark_names if name in self._llms]
        if both:
            raise TableError(
                f"A benchmark and a column of the LLMs have the same name: {first(quoted(both))}. "
                "A wide frame would have the column twice. Rename the benchmark in the frames "
                "that the table is made of.",
                problem_rows("benchmark named as an LLM column", "benchmarks", benchmark=both),
            )
        wide = self._scores.pivot(index="llm", columns="benchmark", values="score")
        wide = wide.reindex(index=self._llms["llm"], columns=self._benchmarks["benchmark"])
        scores = wide.reset_index(drop=True).rename_axis(columns=None).astype(float)
        return pd.concat([self._llms, scores], axis=1)

    def equals(self, other: object) -> bool:
        """Say whether another table holds the same, whatever the order of its rows and columns.

        Parameters
        ----------
        other : object
            What to compare with; anything but a ScoreTable is unequal.

        Returns
        -------
        bool
            True if LLMs, benchmarks and scores agree exactly, unknown values included.

        Examples
        --------
        >>> frame = pd.DataFrame({"llm": ["a", "b"], "family": ["f", "g"], "ARC": [0.3, 0.4]})
        >>> table = ScoreTable.from_wide(frame, ["ARC"])
        >>> table.equals(ScoreTable.from_wide(frame[::-1], ["ARC"]))
        True
        """
        return isinstance(other, ScoreTable) and all(
            _sorted(mine, keys).equals(_sorted(theirs, keys))
            for mine, theirs, keys in (
                (self._scores, other._scores, ["llm", "benchmark"]),
                (self._llms, other._llms, ["llm"]),
                (self._benchmarks, other._benchmarks, ["benchmark"]),
            )
        )

    def _filtered(
        self,
        by_llm: Mapping[str, list[str | None]],
        by_benchmark: Mapping[str, list[str | None]],
        *,
        named: bool,
    ) -> Self:
        check_known(self._llms, self._benchmarks, {**by_llm, **by_benchmark})
        llms = self._llms[rows_to_keep(self._llms, by_llm, named=named)]
        benchmarks = self._benchmarks[rows_to_keep(self._benchmarks, by_benchmark, named=named)]
        held = self._scores["llm"].isin(llms["llm"])
        held &= self._scores["benchmark"].isin(benchmarks["benchmark"])
        return self._of(self._scores[held], llms, benchmarks)

    def __repr__(self) -> str:
        """Describe the table in a few lines."""
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def _sorted(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    ordered = frame.sort_values(keys, ignore_index=True)
    return ordered[sorted(ordered.columns)]
