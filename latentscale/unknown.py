"""Features that are unknown of an LLM, drawn from what is known of others.

They are drawn anew for each draw of the posterior, as the effects of the LLM are, so that its
prediction is as wide as not knowing them makes it. Siblings are most alike: in a fitted family a
feature varies about the family's mean as features do within families. The mean of a new family is
Normal given the features that are known of it, as fitted families go, and all its LLMs share it.
Numbers that are positive throughout are taken by their logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from latentscale.features import FeatureEncoding

# Added to the variances of family means, as a share of them: few families, many features.
_RIDGE = 1e-3


def unknown_of(encoding: FeatureEncoding, llms: pd.DataFrame) -> pd.DataFrame:
    """Mark the features of LLMs that are unknown and can be drawn: numbers and dates.

    Returns
    -------
    pandas.DataFrame, dims (llm, column)
        True where a feature is unknown.
    """
    columns = [name for name in encoding.columns if name not in encoding.levels]
    return llms.reindex(columns=columns).isna()


@dataclass(frozen=True, eq=False)
class FeaturePopulation:
    """How features vary over the fitted families, and within them.

    Attributes
    ----------
    encoding : FeatureEncoding
    logs : list of str
        The columns taken by their logarithms.
    families : pandas.DataFrame, dims (family, column)
        Their means.
    within : pandas.Series, dims (column,)
        Standard deviations within families.
    """

    encoding: FeatureEncoding
    logs: list[str]
    families: pd.DataFrame
    within: pd.Series

    @classmethod
    def learn(cls, encoding: FeatureEncoding, llms: pd.DataFrame) -> FeaturePopulation:
        """Learn from the LLMs that the encoding was learnt from."""
        numbers = _numbers(encoding, llms)
        plain = [str(name) for name in numbers if name not in encoding.dates]
        logs = [name for name in plain if (numbers[name] > 0).all()]
        numbers[logs] = np.log(numbers[logs])
        families = numbers.groupby(llms["family"].to_numpy()).mean()
        apart = numbers - families.loc[llms["family"]].to_numpy()
        return cls(encoding, logs, families, apart.std(ddof=0))

    def encode(self, llms: pd.DataFrame, n_draws: int, rng: np.random.Generator) -> np.ndarray:
        """Encode LLMs with what is unknown of them drawn.

        Parameters
        ----------
        llms : pandas.DataFrame
            With ``family`` and ``tuned``; a column that is absent is unknown for all of them.
        n_draws : int
        rng : numpy.random.Generator

        Returns
        -------
        numpy.ndarray, dims (draw, llm, feature)

        Raises
        ------
        FeatureError
            A category is unknown or new, or the formula gives a value that is not a number.
        """
        self.encoding.require_categories(llms)
        llms = llms.reset_index(drop=True)
        drawn = self._drawn(llms, n_draws, rng)
        # All draws of the first LLM, then all of the second, and so on.
        often = llms.index.repeat(n_draws)
        plain = self.encoding.plain(llms).loc[often].reset_index(drop=True)
        for name, values in drawn.items():
            plain[name] = plain[name].astype(float).fillna(pd.Series(values.T.ravel()))
        tuned = llms["tuned"].loc[often].reset_index(drop=True)
        x = self.encoding.encode_plain(plain, tuned).to_numpy()
        return x.reshape(len(llms), n_draws, -1).swapaxes(0, 1)

    def _drawn(
        self, llms: pd.DataFrame, n_draws: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw the columns of which some are unknown, dims (draw, llm)."""
        asked = _numbers(self.encoding, llms)
        asked[self.logs] = np.log(asked[self.logs])
        drawn = np.empty((n_draws, *asked.shape))
        for family, rows in llms.groupby("family").indices.items():
            if family in self.families.index:
                mean = self.families.loc[[family]].to_numpy()
            else:
                known = asked.iloc[rows].mean().to_numpy()
                mean = self._of_new_family(known, n_draws, rng)
            drawn[:, rows] = mean[:, None]
        drawn += self.within.to_numpy() * rng.standard_normal(drawn.shape)
        found = {str(name): drawn[:, :, at] for at, name in enumerate(asked)}
        found |= {name: np.exp(found[name]) for name in self.logs}
        return {name: found[name] for name in found if asked[name].isna().any()}

    def _of_new_family(
        self, known: np.ndarray, n_draws: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw the mean of a new family given those of its features that are known."""
        mean = self.families.mean().to_numpy()
        covariance = np.atleast_2d(np.cov(self.families.to_numpy().T, ddof=0))
        covariance[np.diag_indices_from(covariance)] *= 1 + _RIDGE
        # What is the same in all families says nothing.
        has = np.flatnonzero(~np.isnan(known) & (np.diag(covariance) > 0))
        lacks = np.flatnonzero(np.isnan(known))
        found = np.tile(np.where(np.isnan(known), mean, known), (n_draws, 1))
        pull = np.linalg.solve(covariance[np.ix_(has, has)], covariance[np.ix_(has, lacks)])
        expected = mean[lacks] + (known[has] - mean[has]) @ pull
        left = covariance[np.ix_(lacks, lacks)] - covariance[np.ix_(lacks, has)] @ pull
        found[:, lacks] = rng.multivariate_normal(expected, left, size=n_draws)
        return found


def _numbers(encoding: FeatureEncoding, llms: pd.DataFrame) -> pd.DataFrame:
    """Give the columns that can be drawn as numbers, dims (llm, column)."""
    columns = [name for name in encoding.columns if name not in encoding.levels]
    return encoding.plain(llms)[columns].astype(float)
