"""Boosted trees on what is known of LLMs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from latentscale.baselines.point import PointBaseline
from latentscale.errors import LatentScaleError
from latentscale.table import scored_llms

# What describes scale, training, architecture and data; never whose an LLM is.
_NUMBERS = (
    "params_b", "tokens_t", "tuned", "active_params_b", "d_model", "n_layers", "n_heads",
    "n_kv_heads", "head_dim", "d_ff", "vocab_size", "context_length", "n_experts",
    "experts_per_token", "code_pct", "web_pct", "english_pct",
)  # fmt: skip
_CATEGORIES = ("positional_embedding", "norm", "activation", "attention")


@dataclass(frozen=True)
class BoostedTrees(PointBaseline):
    """Expect what gradient-boosted trees on the features say, benchmark by benchmark.

    Features are size, tokens and their product, whether an LLM is tuned, and of its architecture
    and data mix the columns that the table has; trees find their own way where one is unknown.

    Attributes
    ----------
    table : ScoreTable
    rounds : int, default 60
        Trees of each benchmark.
    rate : float, default 0.1
        How much each tree is trusted.
    leaves : int, default 8
        Of each tree, at most.

    References
    ----------
    arXiv 2503.03862 (Not-Just Scaling Laws)

    Notes
    -----
    Needs scikit-learn: ``pip install "latentscale[baselines]"``.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard(benchmarks=["MMLU"]).select(families=["opt", "llama"])
    >>> trees = ls.baselines.BoostedTrees(table, rounds=5)
    >>> trees.expected(table.llms).shape[1]
    1
    """

    rounds: int = 60
    rate: float = 0.1
    leaves: int = 8

    def expected(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Say what LLMs are expected to score."""
        x = self._features(llms)
        found = {name: trees.predict(x) for name, trees in self._trees.items()}
        return pd.DataFrame(found, index=pd.Index(llms["llm"])).clip(0, 1)

    @cached_property
    def _trees(self) -> dict[str, Any]:
        known = scored_llms(self.table)
        x = self._features(known).set_index(pd.Index(known["llm"]))
        return {
            str(name): self._regressor().fit(x.loc[cells["llm"]], cells["score"].astype(float))
            for name, cells in self.table.scores.groupby("benchmark")
        }

    def _regressor(self) -> Any:
        """Make what is to be fitted to one benchmark."""
        try:
            from sklearn.ensemble import HistGradientBoostingRegressor
        except ImportError as error:
            raise LatentScaleError(
                "BoostedTrees needs scikit-learn, which is not installed. Install it with\n"
                '      pip install "latentscale[baselines]"'
            ) from error
        return HistGradientBoostingRegressor(
            max_iter=self.rounds, learning_rate=self.rate, max_leaf_nodes=self.leaves,
            min_samples_leaf=5, categorical_features="from_dtype", early_stopping=False,
            random_state=0,
        )  # fmt: skip

    def _features(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Give the features of which the table knows any; new categories are unknown."""
        own = scored_llms(self.table).dropna(axis="columns", how="all")
        numbers = [name for name in _NUMBERS if name in own]
        found = llms.reindex(columns=numbers).astype(float)
        if {"params_b", "tokens_t"} <= set(numbers):
            found = found.assign(compute=np.log(found["params_b"] * found["tokens_t"]))
        for name in (name for name in _CATEGORIES if name in own):
            levels = sorted(own[name].dropna().unique())
            values = llms.reindex(columns=[name])[name].astype(object)
            seen = values.where(values.isin(levels))
            found = found.assign(**{name: pd.Categorical(seen, levels)})
        return found.reset_index(drop=True)
