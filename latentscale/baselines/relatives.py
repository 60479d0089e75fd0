"""Baselines that look at relatives: the mean of the family, the nearest sibling, the base LLM."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from latentscale.baselines.point import PointBaseline


@dataclass(frozen=True)
class FamilyMean(PointBaseline):
    """Expect the mean score of the family on a benchmark; of an unknown one, that of all LLMs.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["opt", "pythia"])
    >>> ls.baselines.FamilyMean(table).expected(table.llms).loc["facebook/opt-13b"].round(2)["MMLU"]
    np.float64(0.26)
    """

    def expected(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Say what LLMs are expected to score."""
        wide = self.wide
        family = self.table.llms.set_index("llm")["family"].reindex(wide.index)
        means = wide.groupby(family).mean().reindex(llms["family"]).fillna(wide.mean())
        return means.set_index(pd.Index(llms["llm"]))


@dataclass(frozen=True)
class NearestSibling(PointBaseline):
    """Expect the score of the LLM of the family that is nearest in size, of the own recipe first.

    Where no sibling has a score on a benchmark, the mean of all LLMs is expected.
    """

    @property
    def required(self) -> tuple[str, ...]:
        """Columns of LLMs that must be known."""
        return ("params_b",)

    def expected(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Say what LLMs are expected to score."""
        wide = self.wide
        known = self.table.llms.set_index("llm").loc[wide.index]
        rows = [_of_nearest(llm, wide, known) for llm in llms.to_dict("records")]
        frame = pd.DataFrame(rows, index=pd.Index(llms["llm"]), columns=wide.columns)
        return frame.fillna(wide.mean())


def _of_nearest(llm: dict[Hashable, Any], wide: pd.DataFrame, known: pd.DataFrame) -> np.ndarray:
    """Give, benchmark by benchmark, the score of the nearest sibling that has one, or NaN."""
    siblings = known[(known["family"] == llm["family"]) & (known.index != llm["llm"])]
    far = np.abs(np.log(siblings["params_b"].astype(float) / llm["params_b"]))
    other = siblings["recipe"] != llm["recipe"]
    order = np.lexsort((far, other))
    scores = wide.loc[siblings.index[order]].to_numpy(dtype=float)
    known_first = pd.DataFrame(scores).bfill().to_numpy()
    return known_first[0] if len(known_first) else np.full(wide.shape[1], np.nan)


@dataclass(frozen=True)
class BasePlusShift(PointBaseline):
    """Expect of a tuned LLM its base LLM's score plus the mean shift of tuned LLMs.

    The shift of a benchmark is the mean over the tuned LLMs whose base LLMs' scores are known. The
    base LLM is that of the column ``base_llm``, or else that of the family which is nearest in
    size. Where there is none with a score, and of base LLMs, the mean of the family is expected.
    """

    @property
    def required(self) -> tuple[str, ...]:
        """Columns of LLMs that must be known."""
        return ("params_b",)

    def expected(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Say what LLMs are expected to score."""
        wide = self.wide
        known = self.table.llms[self.table.llms["llm"].isin(wide.index)]
        of_base = self._scores_of_bases(known, wide)
        shift = (wide.loc[known["llm"]] - of_base).mean().fillna(0)
        found = self._scores_of_bases(llms, wide) + shift
        return found.fillna(FamilyMean(self.table).expected(llms))

    def _scores_of_bases(self, llms: pd.DataFrame, wide: pd.DataFrame) -> pd.DataFrame:
        """Give the scores of the base LLMs of tuned ones; NaN where there are none."""
        bases = self.table.llms[
            (self.table.llms["tuned"] == 0) & self.table.llms["llm"].isin(wide.index)
        ]
        names = [_base_of(llm, bases) for llm in llms.to_dict("records")]
        return wide.reindex(names).set_index(pd.Index(llms["llm"]))


def _base_of(llm: dict[Hashable, Any], bases: pd.DataFrame) -> Hashable:
    """Name the base LLM of a tuned one; None if there is none, or the LLM is a base itself."""
    if not llm["tuned"]:
        return None
    named: Hashable = llm.get("base_llm")
    if named in set(bases["llm"]):
        return named
    siblings = bases[(bases["family"] == llm["family"]) & bases["params_b"].notna()]
    if siblings.empty:
        return None
    far = np.abs(np.log(siblings["params_b"].astype(float) / llm["params_b"]))
    return siblings["llm"].iloc[int(np.argmin(far))]
