"""Principal components of scores, imputed where there are none, and a law for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from latentscale.baselines.point import PointBaseline
from latentscale.baselines.rows import Rows
from latentscale.formulas import required_columns
from latentscale.table import ScoreTable

# Shares of the way up nearer to the ends than this say little of their logit.
_NEAREST = 0.02
_MOST_ROUNDS, _SETTLED = 500, 1e-4
# Intercepts of families are drawn to their mean by this much of a squared error of one.
_RIDGE = 0.1


class Components(NamedTuple):
    """Scores of LLMs in few numbers each: ``standardised logits = position @ direction``.

    Attributes
    ----------
    position : numpy.ndarray, dims (llm, component)
    direction : numpy.ndarray, dims (component, benchmark)
    mean, sd : numpy.ndarray, dims (benchmark,)
    """

    position: np.ndarray
    direction: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    def logits(self, position: np.ndarray) -> np.ndarray:
        """Give the logits of positions, dims (llm, benchmark)."""
        return self.mean + self.sd * (position @ self.direction)


def share_logits(table: ScoreTable, wide: pd.DataFrame) -> np.ndarray:
    """Give the logits of how far scores are on the way from chance to one; NaN where unknown."""
    chance = table.benchmarks.set_index("benchmark")["chance"].astype(float)[wide.columns]
    share = (wide - chance) / (1 - chance)
    return logit(np.clip(share.to_numpy(dtype=float), _NEAREST, 1 - _NEAREST))


def principal_components(logits: np.ndarray, n: int) -> Components:
    """Find the principal components of a matrix with gaps, dims (llm, benchmark).

    Gaps are filled with what the components say of them, again and again until they settle. Each
    component is shrunk by the variance that is left over, or the gaps would be fitted too well
    (Josse and Husson, 2012, Journal de la SFdS 153).
    """
    known, sd = ~np.isnan(logits), np.nanstd(logits, axis=0)
    sd = np.where(sd > 0, sd, 1.0)
    filled = np.where(known, logits, np.nanmean(logits, axis=0)) / sd
    # With as many components as benchmarks, gaps would stay as they were filled first.
    n = min(n, len(logits), max(1, logits.shape[1] - 1))
    for _ in range(_MOST_ROUNDS):
        mean = filled.mean(axis=0)
        left, size, right = np.linalg.svd(filled - mean, full_matrices=False)
        noise = (size[n:] ** 2).mean() if len(size) > n else 0.0
        position = left[:, :n] * np.maximum(size[:n] ** 2 - noise, 0) / np.maximum(size[:n], 1e-12)
        new = np.where(known, filled, mean + position @ right[:n])
        moved, filled = np.abs(new - filled).max(initial=0), new
        if moved < _SETTLED:
            break
    return Components(position, right[:n], mean * sd, sd)


@dataclass(frozen=True)
class PcaLaw(PointBaseline):
    """Expect what the principal components of the scores say, and of them a law of features.

    The logits of scores (of how far they are from chance to one) are imputed and reduced to a few
    principal components; each component is linear in features, with an intercept for each family.
    An LLM with known scores is expected to score what its own components say.

    ``score = chance + (1 - chance) sigmoid(mean + sd * component @ direction)``,
    ``component = a + b . features + family intercept``

    Attributes
    ----------
    table : ScoreTable
    components : int, default 3
    features : str, default "log(params_b * tokens_t)"
        A formula. The default is the logarithm of the training compute, up to a constant.
    families : bool, default True
        Whether each family has an intercept of its own; that of an unknown one is the mean.

    References
    ----------
    arXiv 2405.10938 (Observational Scaling Laws)

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["opt", "pythia", "llama"])
    >>> law = ls.baselines.PcaLaw(table, components=1)
    >>> law.expected(table.llms).loc["facebook/opt-13b", ["MMLU", "HellaSwag"]].round(1).to_list()
    [0.3, 0.6]
    """

    components: int = 3
    features: str = "log(params_b * tokens_t)"
    families: bool = True

    @property
    def required(self) -> tuple[str, ...]:
        """Columns of LLMs that must be known."""
        return required_columns(self.features, self.table.llms.columns)

    def expected(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Say what LLMs are expected to score."""
        found = self._components
        index = pd.Index(self.known["llm"])
        position = pd.DataFrame(found.position, index=index).reindex(llms["llm"])
        by_law = self._rows.of(llms) @ self._law
        position = position.fillna(pd.DataFrame(by_law, index=position.index))
        of_benchmark = self.table.benchmarks.set_index("benchmark")["chance"].astype(float)
        names = self.known_scores.columns
        chance = of_benchmark[names].to_numpy()
        score = chance + (1 - chance) * expit(found.logits(position.to_numpy()))
        return pd.DataFrame(score, index=pd.Index(llms["llm"]), columns=names)

    @cached_property
    def _rows(self) -> Rows:
        return Rows.learn(self.features, self.known, ["family"] if self.families else [])

    @cached_property
    def _components(self) -> Components:
        return principal_components(share_logits(self.table, self.known_scores), self.components)

    @cached_property
    def _law(self) -> np.ndarray:
        """Weights of the law, dims (weight, component), by least squares with a little ridge."""
        rows = self._rows.of(self.known)
        squares = rows.T @ rows + np.diag(self._rows.ridge(*[_RIDGE] * self.families))
        return np.linalg.solve(squares, rows.T @ self._components.position)
