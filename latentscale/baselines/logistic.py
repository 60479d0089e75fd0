"""Logistic laws: a sigmoid of features, benchmark by benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.special import expit, logit

from latentscale.baselines.point import PointBaseline
from latentscale.baselines.rows import Rows
from latentscale.formulas import required_columns

# Families' intercepts are drawn to their mean by this much of a squared error of one: enough to
# settle those of families without scores, and of those at the floor.
_RIDGE = 1e-3
# Where fits start, scores lie within these shares of the way up.
_LOW, _HIGH = 0.02, 0.98


@dataclass(frozen=True)
class LogisticLaw(PointBaseline):
    """Expect a sigmoid of features, from chance to one, fitted to each benchmark by least squares.

    ``score = chance + (1 - chance) sigmoid(a + b . features + family intercept)``

    Attributes
    ----------
    table : ScoreTable
    features : str, default "log(params_b * tokens_t)"
        A formula. The default is the logarithm of the training compute, up to a constant.
    families : bool, default False
        Whether each family has an intercept of its own; that of an unknown one is the mean.

    Notes
    -----
    ``LogisticLaw(table)`` is the law of compute with a shared intercept, of which arXiv 2405.10938
    writes; with ``families=True`` the one with family intercepts, and with
    ``features="log(params_b) * log(tokens_t)"`` that of size and tokens.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["opt", "pythia", "llama"])
    >>> ls.baselines.LogisticLaw(table, families=True)
    LogisticLaw(features='log(params_b * tokens_t)', families=True)
    """

    features: str = "log(params_b * tokens_t)"
    families: bool = False

    @property
    def required(self) -> tuple[str, ...]:
        """Columns of LLMs that must be known."""
        return required_columns(self.features, self.table.llms.columns)

    def expected(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Say what LLMs are expected to score."""
        x = self._rows.of(llms)
        found = {
            name: self._chance[name] + (1 - self._chance[name]) * expit(x @ weights)
            for name, weights in self._weights.items()
        }
        return pd.DataFrame(found, index=pd.Index(llms["llm"]))

    @cached_property
    def _chance(self) -> pd.Series:
        return self.table.benchmarks.set_index("benchmark")["chance"].astype(float)

    @cached_property
    def _rows(self) -> Rows:
        return Rows.learn(self.features, self.known, ["family"] if self.families else [])

    @cached_property
    def _weights(self) -> dict[str, np.ndarray]:
        rows = pd.DataFrame(self._rows.of(self.known), index=pd.Index(self.known["llm"]))
        scores = self.table.scores[self.table.scores["llm"].isin(rows.index)]
        return {
            str(name): _fitted(
                rows.loc[cells["llm"]].to_numpy(),
                cells["score"].to_numpy(dtype=float),
                float(self._chance[name]),
                self._rows.ridge(*[_RIDGE] * self.families),
            )
            for name, cells in scores.groupby("benchmark")
        }


def _fitted(x: np.ndarray, score: np.ndarray, chance: float, squares: np.ndarray) -> np.ndarray:
    """Give the weights of least squares, with a ridge of these weights."""
    ridge = np.diag(np.sqrt(squares))
    n = len(ridge)
    share = np.clip((score - chance) / (1 - chance), _LOW, _HIGH)
    start = np.linalg.lstsq(
        np.vstack([x, ridge]), np.concatenate([logit(share), np.zeros(n)]), rcond=None
    )[0]

    def off_by(weights: np.ndarray) -> np.ndarray:
        return np.concatenate([chance + (1 - chance) * expit(x @ weights) - score, ridge @ weights])

    def slopes(weights: np.ndarray) -> np.ndarray:
        rise = expit(x @ weights)
        return np.vstack([((1 - chance) * rise * (1 - rise))[:, None] * x, ridge])

    return least_squares(off_by, start, slopes, method="lm", x_scale="jac").x
