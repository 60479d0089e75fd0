"""What all baselines share: a point prediction, and how far off such predictions are.

A baseline says what score it expects. How far off it may be is learnt by cross-validation within
the known scores: some are left out in turn, and what they differ by from what is expected are the
residuals of a benchmark. What is left out is what the LLM to predict is like: whole families for
one of a new family, whole recipes for a new recipe, else LLMs. A new score is an expected one plus
a residual drawn at random, kept within the scale. So intervals are as wide as errors on LLMs that
were as little known; for an LLM with known scores they are as wide as for one without.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from latentscale.errors import PredictionError
from latentscale.estimates import known_labels
from latentscale.placing import filled_from
from latentscale.prediction import Prediction, prediction_draws, summarise_prediction
from latentscale.table import ScoreTable, llms_with, scored_llms, table_of_new_llms
from latentscale.wording import count, first, quoted

# What is left out at once to learn the residuals, by who the LLM to predict is.
_LEFT_OUT = {"new family": "family", "new recipe": "recipe", "fitted": "llm"}
# They are dealt to as many hands as this.
_HANDS = 5
_SAMPLES = 1_000


@dataclass(frozen=True)
class PointBaseline(ABC):
    """A baseline that expects a score; see :mod:`latentscale.baselines`.

    Attributes
    ----------
    table : ScoreTable
        The known scores.
    """

    table: ScoreTable = field(repr=False)

    @abstractmethod
    def expected(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Say what LLMs are expected to score.

        Parameters
        ----------
        llms : pandas.DataFrame
            Rows like those of ``table.llms``; ``predictable`` keeps those that will do.

        Returns
        -------
        pandas.DataFrame
            As fractions; the index is the LLM, a column each benchmark of the table that has known
            scores.
        """

    @property
    def required(self) -> tuple[str, ...]:
        """Columns of LLMs that must be known."""
        return ()

    @property
    def wide(self) -> pd.DataFrame:
        """The known scores: the index is the LLM, a column each benchmark that has one."""
        found = self.table.scores.pivot(index="llm", columns="benchmark", values="score")
        names = [name for name in self.table.benchmark_names if name in found]
        return found[names].astype(float)

    @cached_property
    def known(self) -> pd.DataFrame:
        """The LLMs with scores of which all is known that a prediction needs."""
        return self.predictable(scored_llms(self.table))

    @cached_property
    def known_scores(self) -> pd.DataFrame:
        """Their scores: the index is the LLM, a column each benchmark that one of them has."""
        return self.wide.loc[self.known["llm"]].dropna(axis=1, how="all")

    def with_table(self, table: ScoreTable) -> Self:
        """Give the same baseline of another table."""
        return replace(self, table=table)

    def predictable(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Keep the LLMs of which all is known that a prediction needs."""
        return llms_with(llms, self.required)

    def fit(self, **_settings: Any) -> FittedBaseline:
        """Get ready to learn how far off the baseline is, by cross-validation within the table.

        Settings of a sampler, which :meth:`latentscale.ScalingModel.fit` takes, make no difference.
        """
        if len(self.known) < 2:
            raise PredictionError(
                f"{type(self).__name__} needs scores of at least two LLMs of which all that it "
                f"needs is known{_listed(self.required)}: from fewer it cannot learn how far off "
                "it is."
            )
        return FittedBaseline(self)

    def refit(self, random_seed: int | None = None, **settings: Any) -> FittedBaseline:
        """Do as :meth:`fit`, for a backtest."""
        return self.fit(random_seed=random_seed, **settings)

    def residuals(self, of: str) -> pd.DataFrame:
        """Give what scores differ by from what is expected, if they are left out with others.

        Parameters
        ----------
        of : {"family", "recipe", "llm"}
            What is left out together. LLMs, if there is but one family or recipe, or if nothing
            is expected of LLMs without relatives.

        Returns
        -------
        pandas.DataFrame
            Columns ``benchmark`` and ``residual``.
        """
        scored = self.known
        together = scored[of] if scored[of].nunique() > 1 else scored["llm"]
        group, names = pd.factorize(together)
        hands = np.random.default_rng(0).permutation(len(names)) % min(_HANDS, len(names))
        hand = hands[group]
        parts: list[pd.DataFrame] = []
        for number in np.unique(hand):
            out = scored[hand == number]
            is_out = self.table.scores["llm"].isin(out["llm"])
            expected = self.with_table(self.table.where(~is_out)).expected(out)
            told = expected.rename_axis(index="llm").reset_index()
            told = told.melt("llm", var_name="benchmark", value_name="expected")
            cells = self.table.scores[is_out].merge(told, on=["llm", "benchmark"])
            cells = cells.assign(residual=cells["score"] - cells["expected"])
            parts.append(cells[["benchmark", "residual"]].dropna())
        found = pd.concat(parts, ignore_index=True)
        return self.residuals("llm") if found.empty and of != "llm" else found


def _listed(columns: tuple[str, ...]) -> str:
    return f" ({', '.join(columns)})" if columns else ""


@dataclass(frozen=True, eq=False, repr=False)
class FittedBaseline:
    """A baseline that knows how far off it is.

    Attributes
    ----------
    baseline : PointBaseline
    """

    baseline: PointBaseline
    _learnt: dict[str, pd.DataFrame] = field(default_factory=dict)

    def predict(
        self,
        llms: pd.DataFrame,
        scores: pd.DataFrame | None = None,
        ci_prob: float = 0.9,
        random_seed: int | None = 1,
        *,
        benchmarks: Sequence[str] | None = None,
    ) -> Prediction:
        """Predict LLMs, as :meth:`latentscale.ScalingFit.predict` does.

        Parameters
        ----------
        llms : pandas.DataFrame
            Columns ``llm`` and ``family``, and what the baseline needs. What the table knows of an
            LLM of its own need not be repeated.
        scores : pandas.DataFrame, optional
            Known scores of these LLMs, which join those of the table.
        ci_prob : float, default 0.9
            Of the intervals in the summary.
        random_seed : int, default 1
            The same seed gives the same draws.
        benchmarks : sequence of str, optional
            Default: every benchmark on which the baseline expects something.

        Returns
        -------
        Prediction
            Its draws have the dims (sample, obs); errors of different cells are independent.

        Raises
        ------
        TableError, PredictionError
            The LLMs or their scores cannot be used, something that the baseline needs is not known
            of an LLM, or nothing is expected on a benchmark.
        """
        table = self.baseline.table
        filled = filled_from(llms, table.llms)
        told = table_of_new_llms(filled, scores, table.benchmarks, missing="keep")
        fitted = self._told(told) if told.n_obs else self
        return fitted._predict(told, ci_prob, random_seed, benchmarks)

    def _told(self, more: ScoreTable) -> FittedBaseline:
        """Give the baseline that knows more scores."""
        table = self.baseline.table
        new = more.llms[~more.llms["llm"].isin(table.llm_names)]
        grown = table.with_scores(more.scores, new if len(new) else None)
        return FittedBaseline(self.baseline.with_table(grown))

    def _predict(
        self,
        told: ScoreTable,
        ci_prob: float,
        random_seed: int | None,
        benchmarks: Sequence[str] | None,
    ) -> Prediction:
        asked = told.llms
        self._require_known(asked)
        expected = self.baseline.expected(asked)
        if benchmarks is not None:
            expected = expected[
                known_labels(benchmarks, list(expected.columns), "benchmarks", "benchmarks")
            ]
        names = expected.columns
        rng = np.random.default_rng(random_seed)
        status = self._status(asked)
        errors = np.empty((_SAMPLES, len(asked), len(names)))
        for kind in np.unique(status):
            alike = np.flatnonzero(status == kind)
            for position, name in enumerate(names):
                errors[:, alike, position] = self._errors(rng, kind, name, len(alike))
        mean = np.broadcast_to(expected.to_numpy(dtype=float), errors.shape)
        score = np.clip(mean + errors, 0, 1)
        expected_draws, draws_of_score = (part.reshape(_SAMPLES, -1) for part in (mean, score))
        draws = prediction_draws(asked, list(names), status, expected_draws, draws_of_score)
        return Prediction(summarise_prediction(draws, told.scores, ci_prob), draws, ci_prob)

    def _errors(
        self, rng: np.random.Generator, status: str, benchmark: str, n_llms: int
    ) -> np.ndarray:
        """Draw errors, dims (sample, llm); of a benchmark without any, from those of all."""
        if status not in self._learnt:
            self._learnt[status] = self.baseline.residuals(_LEFT_OUT[status])
        residuals = self._learnt[status]
        own = residuals.loc[residuals["benchmark"] == benchmark, "residual"]
        pool = (own if len(own) else residuals["residual"]).to_numpy(dtype=float)
        return rng.choice(pool, size=(_SAMPLES, n_llms))

    def _status(self, asked: pd.DataFrame) -> np.ndarray:
        known = scored_llms(self.baseline.table)
        in_family, in_recipe = (asked[c].isin(known[c]) for c in ("family", "recipe"))
        return np.select([in_recipe, in_family], ["fitted", "new recipe"], "new family")

    def _require_known(self, asked: pd.DataFrame) -> None:
        known = self.baseline.predictable(asked)["llm"]
        lacking = asked["llm"][~asked["llm"].isin(known)]
        if len(lacking):
            raise PredictionError(
                f"{count(len(lacking), 'LLM')} cannot be predicted by "
                f"{type(self.baseline).__name__}, which needs "
                f"{' and '.join(self.baseline.required)}: {first(quoted(lacking))}. Fill them in, "
                "or use predictable(llms) to keep the others."
            )
