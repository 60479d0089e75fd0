"""One fold of a backtest: fit what is known, predict what is hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.errors import BacktestError
from latentscale.health import quick_look
from latentscale.splits import Split

if TYPE_CHECKING:
    from latentscale.prediction import Prediction
    from latentscale.table import ScoreTable


class Fitted(Protocol):
    """What a rival's ``fit`` gives."""

    def predict(self, llms: pd.DataFrame, *, random_seed: int | None) -> Prediction:
        """Predict LLMs on all benchmarks."""


@runtime_checkable
class Judging(Protocol):
    """What a rival's ``fit`` gives that knows of conditions and can judge scores jointly."""

    def conditions_of(self, scores: pd.DataFrame) -> pd.DataFrame | None:
        """Give what scores say of how they were evaluated, as ``predict(conditions=)`` takes it."""

    def log_density(
        self, llms: pd.DataFrame, scores: pd.DataFrame, *, random_seed: int | None
    ) -> pd.DataFrame:
        """Give ``family``, ``n``, ``log_density`` and ``mcse``, one row a family."""


class Rival(Protocol):
    """What can be backtested: :class:`latentscale.ScalingModel`, and whatever has its verbs."""

    def with_table(self, table: ScoreTable) -> Rival:
        """Give the same model of another table."""

    def predictable(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Keep the LLMs of which enough is known to predict them."""

    def refit(self, random_seed: int, **settings: Any) -> Fitted:
        """Fit one fold, on one core and without a word."""


@dataclass(frozen=True, eq=False)
class Fold:
    """What a worker needs for one fold."""

    model: Rival
    split: Split
    llms: pd.DataFrame
    seed: int
    settings: Mapping[str, Any]


class NothingPredictedError(BacktestError):
    """A fold has no hidden score that the model predicts, known once it is fitted."""


def run_fold(fold: Fold) -> xr.Dataset:
    """Fit and predict one fold; runs in the worker.

    Raises
    ------
    NothingPredictedError
    """
    part = fold.model.with_table(fold.split.known)
    fit, llms = part.refit(fold.seed, **fold.settings), part.predictable(fold.llms)
    hidden = fold.split.hidden_scores
    hidden = hidden[hidden["llm"].isin(llms["llm"])]
    # How the hidden scores were evaluated is known of them.
    more = {"conditions": fit.conditions_of(hidden)} if isinstance(fit, Judging) else {}
    if hidden.empty:
        raise NothingPredictedError("of no hidden LLM is enough known to predict it")
    draws = fit.predict(llms, random_seed=fold.seed, **more).draws
    if "sample" not in draws.dims:
        draws = draws.stack(sample=("chain", "draw")).reset_index("sample", drop=True)
    predicted = pd.MultiIndex.from_arrays([draws["llm"].to_numpy(), draws["benchmark"].to_numpy()])
    at = predicted.get_indexer(pd.MultiIndex.from_frame(hidden[["llm", "benchmark"]]))
    # A rival may expect nothing on a benchmark that no LLM it knows has a score of.
    expected = draws["expected"].transpose("sample", "obs").to_numpy()
    told = (at >= 0) & np.isfinite(expected).all(axis=0)[at]
    if not told.any():
        raise NothingPredictedError("nothing is expected on the benchmarks of the hidden scores")
    found = draws.isel(obs=at[told]).rename(obs="cell").drop_vars("cell")
    found = found[["score", "expected"]].transpose("sample", "cell")
    # Scores stay as exact as observed ones: those that are counts can be equal.
    found = found.assign(expected=found["expected"].astype(np.float32))
    observed = hidden["score"].to_numpy(dtype=float)[told]
    found = found.drop_vars("family_status").assign(observed=("cell", observed))
    if isinstance(fit, Judging):
        found = found.merge(_judged(fit, llms, hidden[told], fold.seed))
    return found.assign_attrs(split=fold.split.name, **_health(fit))


def _health(fit: Fitted) -> dict[str, Any]:
    """Say how well chains mixed, if there are any."""
    posterior, stats = getattr(fit, "posterior", None), getattr(fit, "sample_stats", None)
    if posterior is None or stats is None or posterior.sizes["chain"] < 2:
        return {}
    worst, which, divergences = quick_look(posterior, stats)
    return {"r_hat": worst, "which": which, "divergences": divergences}


def _judged(fit: Judging, llms: pd.DataFrame, hidden: pd.DataFrame, seed: int) -> xr.Dataset:
    """Give the joint log density of each family's hidden scores."""
    judged = fit.log_density(llms, hidden, random_seed=seed)
    return xr.Dataset(
        {
            "log_density": ("hidden", judged["log_density"].to_numpy()),
            "log_density_mcse": ("hidden", judged["mcse"].to_numpy()),
        },
        coords={
            "hidden_family": ("hidden", judged["family"].to_numpy(dtype=str)),
            "n_hidden": ("hidden", judged["n"].to_numpy()),
        },
    )
