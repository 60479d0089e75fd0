"""Models that take no time to fit, for tests of backtests; importable by worker processes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.table import ScoreTable


@dataclass(frozen=True)
class Drawn:
    """Stands for a prediction."""

    draws: xr.Dataset


@dataclass(frozen=True)
class MeanRival:
    """Predicts the mean of a benchmark's known scores, give or take their spread."""

    table: ScoreTable | None = field(default=None, repr=False)
    fails_on: str = ""
    fails_with: type[Exception] = ZeroDivisionError

    def with_table(self, table: ScoreTable) -> MeanRival:
        return replace(self, table=table)

    def predictable(self, llms: pd.DataFrame) -> pd.DataFrame:
        return llms[llms["params_b"].notna()]

    def refit(self, random_seed: int, **settings: Any) -> MeanRival:
        return self

    def predict(self, llms: pd.DataFrame, *, random_seed: int | None) -> Drawn:
        if self.fails_on in set(llms["llm"]):
            raise self.fails_with("it was to fail")
        known = self.table.scores.groupby("benchmark")["score"]
        cells = pd.MultiIndex.from_product([llms["llm"], known.mean().index]).to_frame(index=False)
        cells.columns = ["llm", "benchmark"]
        rng = np.random.default_rng(random_seed)
        mean, sd = (
            cells["benchmark"].map(value).to_numpy() for value in (known.mean(), known.std())
        )
        draws = mean + sd * rng.standard_normal((2, 200, len(cells)))
        family = cells["llm"].map(llms.set_index("llm")["family"])
        labels = {"llm": cells["llm"], "benchmark": cells["benchmark"], "family": family}
        coords = {name: ("obs", values.to_numpy(dtype=str)) for name, values in labels.items()}
        coords |= {"obs": np.arange(len(cells)), "family_status": ("obs", ["new"] * len(cells))}
        dims = ("chain", "draw", "obs")
        values = {"score": (dims, draws), "expected": (dims, np.broadcast_to(mean, draws.shape))}
        return Drawn(xr.Dataset(values, coords=coords))


@dataclass(frozen=True)
class PickyRival(MeanRival):
    """Finds out that it can predict no pythia, if it knows none."""

    def predictable(self, llms: pd.DataFrame) -> pd.DataFrame:
        if self.table is None:
            return llms
        known = self.table.llms[self.table.llms["llm"].isin(self.table.scores["llm"])]
        is_known = llms["family"].isin(known["family"])
        return llms[is_known | (llms["family"] != "pythia")]


@dataclass(frozen=True)
class CountingRival(MeanRival):
    """Counts right answers of 541 items."""

    def predict(self, llms: pd.DataFrame, *, random_seed: int | None) -> Drawn:
        draws = super().predict(llms, random_seed=random_seed).draws
        return Drawn(draws.assign(score=(draws["score"] * 541).round() / 541))


@dataclass(frozen=True)
class ChainedRival(MeanRival):
    """Has chains, which differ where a family is hidden."""

    apart: str = ""

    @property
    def posterior(self) -> xr.Dataset:
        ceiling = np.random.default_rng(1).standard_normal((2, 200))
        if self.apart not in set(
            self.table.llms["family"][self.table.llms["llm"].isin(self.table.scores["llm"])]
        ):
            ceiling[0] += 2
        return xr.Dataset({"ceiling": (("chain", "draw"), ceiling)})

    @property
    def sample_stats(self) -> xr.Dataset:
        diverging = np.zeros((2, 200), dtype=bool)
        diverging[1, :3] = True
        return xr.Dataset({"diverging": (("chain", "draw"), diverging)})


@dataclass(frozen=True)
class DyingRival(MeanRival):
    """Kills the process that fits it, once; or waits, so that others are fitted meanwhile."""

    trace: str = ""

    def refit(self, random_seed: int, **settings: Any) -> DyingRival:
        dead = Path(self.trace) / "dead"
        time.sleep(0.1)
        try:
            dead.touch(exist_ok=False)
        except FileExistsError:
            return self
        os.kill(os.getpid(), signal.SIGKILL)
        return self
