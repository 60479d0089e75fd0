"""Rows of a regression on features: one, features, and whose group an LLM is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from latentscale.features import FeatureEncoding, learn_encoding

# Just so much that weights are settled.
_NEXT_TO_NONE = 1e-9


@dataclass(frozen=True, eq=False)
class Rows:
    """How LLMs become rows of a regression, learnt from some of them.

    Attributes
    ----------
    encoding : FeatureEncoding
    labels : dict of str to numpy.ndarray
        By the column that names a group, the groups with an intercept of their own. An LLM of none
        of them has the mean intercept.
    """

    encoding: FeatureEncoding
    labels: Mapping[str, np.ndarray]

    @classmethod
    def learn(cls, features: str, llms: pd.DataFrame, groups: Iterable[str] = ()) -> Rows:
        """Learn the encoding and the groups of LLMs."""
        labels = {group: np.unique(llms[group].to_numpy(dtype=str)) for group in groups}
        return cls(learn_encoding(features, llms), labels)

    def of(self, llms: pd.DataFrame) -> np.ndarray:
        """Give the rows of LLMs, dims (llm, weight); a category that nobody has is as the mean."""
        plain = self.encoding.plain(self.encoding.known_categories(llms))
        x = np.nan_to_num(self.encoding.encode_plain(plain, None).to_numpy(dtype=float))
        in_groups = [
            llms[group].to_numpy(dtype=str)[:, None] == labels
            for group, labels in self.labels.items()
        ]
        return np.column_stack([np.ones(len(x)), x, *in_groups])

    def ridge(self, *of_groups: float) -> np.ndarray:
        """Give a ridge for each weight: of each kind of group as asked, next to none of others."""
        of_others = np.full(1 + len(self.encoding.names), _NEXT_TO_NONE)
        kinds = zip(of_groups, self.labels.values(), strict=True)
        return np.concatenate([of_others, *(np.full(len(labels), by) for by, labels in kinds)])
